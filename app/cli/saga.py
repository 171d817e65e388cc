"""`orderflow saga`: show the sagas there are."""

from typing import Annotated, Literal

import typer

from app.domain.fulfilment_saga import SAGAS
from app.sagas import describe

cli = typer.Typer(help="Describe sagas.")


@cli.callback()
def saga() -> None:
    """Describe sagas."""


@cli.command("describe")
def describe_(
    form: Annotated[Literal["text", "mermaid"], typer.Option("--format", help="How to print it.")] = "text",
) -> None:
    """Print the state machine of every version of every saga."""
    show = describe.as_text if form == "text" else describe.as_mermaid
    typer.echo("\n\n".join(show(definition) for definition in SAGAS))
