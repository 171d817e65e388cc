"""`orderflow topology`: show what a topology reads, runs and writes."""

from typing import Annotated, Literal

import msgspec
import typer

from app.config import load
from app.streaming import describe
from topologies import catalogue

cli = typer.Typer(help="Describe topologies.")


@cli.callback()
def topology() -> None:
    """Describe topologies."""


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
