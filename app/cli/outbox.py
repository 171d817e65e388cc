"""`orderflow outbox`: who publishes it."""

from enum import StrEnum
from typing import Annotated

import typer

from app.cdc import database
from app.cdc.capture import Capture
from app.cdc.handover import Handover
from app.config import load

cli = typer.Typer(no_args_is_help=True, help="Say who publishes the outbox.")


@cli.callback()
def outbox() -> None:
    """Say who publishes the outbox."""


class Side(StrEnum):
    """Who can publish."""

    RELAY = "relay"
    CDC = "cdc"


@cli.command()
def use(
    side: Annotated[Side, typer.Argument(help="Who is to publish the outbox.")],
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for one side to come to its end.")] = 60.0,
) -> None:
    """Hand the outbox over, under load. One that was ended at any point goes on, or back, when it is asked again."""
    settings = load()
    with database.connected(settings.postgres) as connection:
        handover = Handover(connection, Capture(settings, connection), timeout, lambda step: typer.echo(step, err=True))
        if side is Side.CDC:
            handover.to_cdc()
        else:
            handover.to_relay()
    typer.echo(f"{side} publishes the outbox")
