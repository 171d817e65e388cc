"""`orderflow schemas`: look at the event schemas, add new ones, hold them to their history."""

import json
from typing import Annotated

import msgspec
import typer

from app.config import load
from app.errors import SetupError
from app.masking import without_password
from app.serde.decoder import decoder_in_use
from app.serde.history import lock_new, problems
from app.serde.lock import DIRECTORY, committed_registry, read_lock

cli = typer.Typer(no_args_is_help=True, help="Check the event schemas against their history.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@cli.command()
def check(as_json: Json = False) -> None:
    """Exit 1 when a locked schema was changed, a new one is not locked, or a version breaks an earlier one."""
    found = problems(DIRECTORY)
    count, decoder = len(read_lock(DIRECTORY)), decoder_in_use()
    if as_json:
        typer.echo(json.dumps({"schemas": count, "problems": found, "decoder": decoder}))
    else:
        for problem in found:
            typer.secho(problem, err=True, fg="red")
        typer.echo(f"{count} schemas, {len(found)} problems; values are decoded by the {decoder} decoder")
    raise typer.Exit(1 if found else 0)


@cli.command()
def lock(as_json: Json = False) -> None:
    """Give the new .avsc files their ids, for ever."""
    added = lock_new(DIRECTORY)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(added)))
    else:
        typer.echo("\n".join(f"locked {locked.file} as {locked.subject} version {locked.version}" for locked in added))


@cli.command()
def register(as_json: Json = False) -> None:
    """Have the locked schemas under their ids in the registry at ORDERFLOW_REGISTRY."""
    url = load().registry
    if not url:
        raise SetupError("there is no registry; set ORDERFLOW_REGISTRY to its URL, such as http://127.0.0.1:8081")
    from app.serde.registry_http import HttpRegistry  # its client is slow to import

    registry, schemas = HttpRegistry(url), committed_registry().schemas()
    for schema in schemas:
        registry.register(schema)
    count, shown = len(schemas), without_password(url)
    typer.echo(json.dumps({"registered": count}) if as_json else f"{count} schemas are in the registry at {shown}")


@cli.command("list")
def list_(as_json: Json = False) -> None:
    """The schemas by id."""
    lines = read_lock(DIRECTORY)
    if as_json:
        typer.echo(json.dumps([{"id": number, **msgspec.to_builtins(line)} for number, line in lines.items()]))
    else:
        typer.echo("\n".join(f"{number:>4}  v{line.version}  {line.subject}" for number, line in lines.items()))
