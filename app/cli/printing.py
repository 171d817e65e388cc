"""How commands print what they found: as JSON for programs, with room for people."""

from typing import Annotated, Any

import msgspec
import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value).decode())


def print_tree(value: Any) -> None:
    """For people: the same, with room."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
