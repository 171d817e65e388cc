"""The `orderflow` command: one module per command group, imported only when it is called."""

import importlib
import sys

import typer

from app.errors import OrderflowError

# command -> module of app.cli and what `orderflow --help` says of it; the module has a typer app named `cli`
GROUPS = {
    "demo": ("demo", "Run the whole system on this machine, with orders in it."),
    "worker": ("worker", "Run one replica of a topology."),
    "api": ("api", "Run the command API and the gateway to the views."),
    "relay": ("relay", "Publish the outbox."),
    "simulate": ("simulate", "Run a payment provider or a carrier to try the system against."),
    "produce": ("produce", "Place orders and receive stock."),
    "topics": ("topics", "Create and check the topics."),
    "topology": ("topology", "Describe a topology, or rebuild it."),
    "schemas": ("schemas", "Check the event schemas against their history."),
    "migrate": ("migrate", "Bring the database to the current schema."),
    "dlq": ("dlq", "Look at dead letters."),
    "verify": ("verify", "Check views, topics, ledgers and store against each other."),
}


def main() -> None:
    """Exit codes: 0 done; 1 done, and it found something wrong; 2 refused or could not run, the message says why."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in GROUPS:
        _help(arguments)
    module = importlib.import_module(f"app.cli.{GROUPS[arguments[0]][0]}")
    command = typer.main.get_command(module.cli)
    try:
        command.main(args=arguments[1:], prog_name=f"orderflow {arguments[0]}")
    except OrderflowError as error:
        typer.secho(f"{type(error).__name__}: {error}", err=True, fg="red")
        sys.exit(2)


def _help(arguments: list[str]) -> None:
    wanted = not arguments or arguments[0] in {"-h", "--help", "help"}
    lines = [f"  {name:<10} {text}" for name, (_, text) in GROUPS.items()]
    typer.echo("\n".join(["usage: orderflow COMMAND ...", "", *lines]), err=not wanted)
    if not wanted:
        typer.secho(f"unknown command {arguments[0]!r}", err=True, fg="red")
    sys.exit(0 if wanted else 2)
