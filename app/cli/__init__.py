"""The `orderflow` command: one module per command group, imported only when it is called."""

import gc
import importlib
import os
import sys
import threading
from typing import NoReturn

from app.errors import OrderflowError

# command -> module of app.cli and what `orderflow --help` says of it; the module has a typer app named `cli`
GROUPS = {
    "demo": ("demo", "Run the whole system on this machine, with orders in it."),
    "worker": ("worker", "Run one replica of a topology."),
    "api": ("api", "Run the command API and the gateway to the views."),
    "relay": ("relay", "Publish the outbox."),
    "outbox": ("outbox", "Say who publishes the outbox; look at what waits in it."),
    "cdc": ("cdc", "Change data capture: Debezium publishes the outbox."),
    "simulate": ("simulate", "Run a payment provider or a carrier to try the system against."),
    "produce": ("produce", "Place orders and receive stock."),
    "topics": ("topics", "Create and check the topics."),
    "topology": ("topology", "Describe a topology, or rebuild it."),
    "saga": ("saga", "Describe sagas; see where those of orders stand."),
    "person": ("person", "Erase the personal data of customers."),
    "schemas": ("schemas", "Check the event schemas against their history."),
    "store": ("store", "Hold the topic against the event store, and repair it."),
    "migrate": ("migrate", "Bring the database to the current schema."),
    "dlq": ("dlq", "Dead letters: look at them, send them again, drop them."),
    "status": ("status", "Show every task of every worker: what it does, and what it waits for."),
    "verify": ("verify", "Check views, topics, ledgers and store against each other."),
}


def main() -> None:
    """Exit codes: 0 done; 1 done, and it found something wrong; 2 refused or could not run, the message says why.

    130 when Ctrl-C ended it, at whatever moment: hence nothing but this file is imported before.
    """
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in GROUPS:
        _help(arguments)
    try:
        _run(*arguments)
    except KeyboardInterrupt:
        _end(130)
    except SystemExit as ended:
        _end(ended.code)


def _end(code: int | str | None) -> NoReturn:
    """Daemons that are left hang in calls of native clients: an interpreter that ends under them can abort."""
    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if left and all(thread.daemon for thread in left) and not isinstance(code, str):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)


def _run(name: str, *arguments: str) -> None:
    gc.disable()  # what is imported stays: to look for garbage in it is an eighth of the time
    import typer  # its import, and the module's, take most of the time of a short command

    from app.observability.log import setup

    setup("warning")  # on stderr, for stdout is the answer; a service sets the level of its settings
    module = importlib.import_module(f"app.cli.{GROUPS[name][0]}")
    gc.enable()
    command = typer.main.get_command(module.cli)
    try:
        command.main(args=arguments, prog_name=f"orderflow {name}")
    except OrderflowError as error:
        typer.secho(f"{type(error).__name__}: {error}", err=True, fg="red")
        sys.exit(2)


def _help(arguments: list[str]) -> None:
    wanted = not arguments or arguments[0] in {"-h", "--help", "help"}
    out = sys.stdout if wanted else sys.stderr
    lines = [f"  {name:<10} {text}" for name, (_, text) in GROUPS.items()]
    print("usage: orderflow COMMAND ...", "", *lines, sep="\n", file=out)
    if not wanted:
        print(f"unknown command {arguments[0]!r}", file=out)
    sys.exit(0 if wanted else 2)
