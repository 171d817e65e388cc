"""`orderflow topology`: show what a topology reads, runs and writes; rebuild it from a chosen start."""

import asyncio
from typing import Annotated, Literal

import msgspec
import typer

from app.cli.starting import start_of
from app.config import load
from app.streaming import describe
from app.streaming.kafka import reset
from app.streaming.names import dlq_topic
from topologies import catalogue

cli = typer.Typer(help="Describe topologies, and rebuild one.")


@cli.callback()
def topology() -> None:
    """Describe topologies, and rebuild one."""


@cli.command("describe")
def describe_(
    name: Annotated[str | None, typer.Argument(help="One topology; all of them when left out.")] = None,
    form: Annotated[Literal["text", "json", "mermaid"], typer.Option("--format", help="How to print it.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print what it reads, runs and writes."""
    settings = load()
    topologies = [catalogue.build(one, settings) for one in ([name] if name else catalogue.NAMES)]
    if as_json or form == "json":
        typer.echo(msgspec.json.encode([describe.as_data(one) for one in topologies]).decode())
    else:
        show = describe.as_text if form == "text" else describe.as_mermaid
        typer.echo("\n\n".join(show(one) for one in topologies))


@cli.command("reset")
def reset_(
    name: Annotated[str, typer.Argument(help="The topology; none of its workers may run.")],
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Where it starts again: earliest, latest or an ISO time. A must where it acts on the outside.",
        ),
    ] = None,
) -> None:
    """Empty its tables and all that it wrote for itself; its workers then build it anew.

    What stops half way is run again; until it has ended, workers refuse to start. Dead letters stay.
    """
    settings = load()
    topology = catalogue.build(name, settings)
    asyncio.run(reset.reset(settings.kafka, topology, settings.partitions, start_of(begin), typer.echo))
    typer.echo(f"{name} is empty: start its workers. Dead letters stay in {dlq_topic(topology.group)}")
