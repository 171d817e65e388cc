"""`orderflow outbox`: who publishes it, what waits in it because Kafka refuses a row, and the word to try it again."""

from enum import StrEnum
from typing import Annotated

import typer

from app.cdc import database
from app.cdc.capture import Capture
from app.cdc.handover import Handover
from app.cli.printing import AsJson, print_json
from app.config import load
from app.errors import RefusedError
from app.eventstore import blocked

cli = typer.Typer(no_args_is_help=True, help="Say who publishes the outbox; look at what waits in it.")


class NotBlockedError(RefusedError):
    """There is no such blocked aggregate."""


@cli.callback()
def outbox() -> None:
    """Say who publishes the outbox; look at what waits in it."""


class Side(StrEnum):
    """Who can publish."""

    RELAY = "relay"
    CDC = "cdc"


@cli.command()
def use(
    side: Annotated[Side, typer.Argument(help="Who is to publish the outbox.")],
    without_connect: Annotated[
        bool, typer.Option("--without-connect", help="Back to the relay when Connect or its slot is lost.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for one side to come to its end.")] = 60.0,
) -> None:
    """Hand the outbox over, under load. One that was ended at any point goes on, or back, when it is asked again."""
    if without_connect and side is Side.CDC:
        raise typer.BadParameter("--without-connect goes back to the relay")
    settings = load()
    with database.connected(settings.postgres) as connection:
        handover = Handover(connection, Capture(settings, connection), timeout, lambda step: typer.echo(step, err=True))
        if side is Side.CDC:
            handover.to_cdc()
        elif without_connect:
            handover.to_relay_without_connect()
        else:
            handover.to_relay()
    typer.echo(f"{side} publishes the outbox")


@cli.command("blocked")
def blocked_(as_json: AsJson = False) -> None:
    """One line for each aggregate whose rows wait behind one that Kafka refuses. Exit 1 when there are any."""
    found = blocked.listed(load().postgres)
    if as_json:
        print_json(found)
    else:
        for one in found:
            since, again = (moment.isoformat(timespec="seconds") for moment in (one.blocked_at, one.next_attempt_at))
            typer.echo(
                f"{one.aggregateid}  since {since}  tried {one.retry_count} times  again {again}  {one.last_error}"
            )
        typer.echo(f"{len(found)} aggregates are blocked")
    raise typer.Exit(1 if found else 0)


@cli.command()
def unblock(
    aggregates: Annotated[list[str] | None, typer.Argument(help="As `blocked` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are blocked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let the relay try them now. What Kafka refuses again stays blocked."""
    dsn = load().postgres
    asked = [one.aggregateid for one in blocked.listed(dsn)] if every else aggregates or []
    if not every and not asked:
        raise typer.BadParameter("name aggregates, or give --all")
    due = blocked.try_again(dsn, asked)
    unknown = sorted(set(asked) - set(due))
    if unknown and not every:
        raise NotBlockedError(f"{', '.join(unknown)}: not blocked; `orderflow outbox blocked` lists those that are")
    if as_json:
        print_json({"due": due})
    else:
        typer.echo(f"{len(due)} aggregates are tried now")
