"""`orderflow cdc`: change data capture, where Debezium publishes the outbox in place of the relay."""

import signal
import threading
from typing import Final
from urllib.parse import urlsplit

import typer

from app.cdc import database
from app.cdc.capture import Capture, CaptureStatus
from app.cli.printing import AsJson, print_json
from app.config import Settings, load
from app.embedded import processes
from app.embedded.connect import ConnectServer
from app.embedded.ports import LOOPBACK
from app.errors import SetupError
from app.observability.log import setup

LOOK_S: Final = 0.2

cli = typer.Typer(no_args_is_help=True, help="Change data capture: Debezium publishes the outbox.")


@cli.callback()
def cdc() -> None:
    """Change data capture: Debezium publishes the outbox in place of the relay."""


@cli.command()
def up() -> None:
    """Make role, slot and connector, and wait until it runs; it publishes nothing before `orderflow outbox use cdc`."""
    settings = load()
    with database.connected(settings.postgres) as connection:
        capture = Capture(settings, connection)
        capture.set_up()
        typer.echo(f"the connector {capture.name} is set up at {settings.connect}")


@cli.command()
def status(as_json: AsJson = False) -> None:
    """Who publishes the outbox, the connector with Connect's own trace, the slot. Exit 1 when something is wrong."""
    settings = load()
    with database.connected(settings.postgres) as connection:
        found = Capture(settings, connection).status()
    if as_json:
        print_json(found)
    else:
        _show(found)
    raise typer.Exit(1 if found.problems else 0)


def _show(found: CaptureStatus) -> None:
    typer.echo(f"publisher  {found.publisher.state}, since {found.publisher.marked_at}")
    if found.connector is not None:
        typer.echo(f"connector  {found.connector.state}")
    if found.slot is not None:
        slot = found.slot
        typer.echo(
            f"slot       {slot.wal_status}, {slot.kept_bytes} bytes kept, {slot.left_bytes} more until it is lost"
        )
    for problem in found.problems:
        typer.secho(f"problem    {problem}", fg="red")
    if found.connector is not None and found.connector.trace:
        typer.echo(found.connector.trace)


@cli.command()
def down() -> None:
    """Remove connector, slot and role. Refused while change data capture publishes the outbox."""
    settings = load()
    with database.connected(settings.postgres) as connection:
        Capture(settings, connection).take_down()
    typer.echo("connector, slot and role are gone")


@cli.command()
def worker() -> None:
    """Run Kafka Connect with Debezium here, without Docker, at ORDERFLOW_CONNECT. Ends on SIGINT or SIGTERM."""
    settings = load()
    setup(settings.log_level)
    stop = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stop.set())
    connect = ConnectServer(settings.data / "connect", settings.kafka, _port(settings), settings.replication)
    connect.start()
    try:
        typer.echo(f"Kafka Connect serves at {connect.url}")
        while not stop.wait(LOOK_S):
            if not connect.alive():
                raise SetupError(f"Kafka Connect has ended; the end of {connect.log}:\n{processes.tail(connect.log)}")
    finally:
        connect.stop()


def _port(settings: Settings) -> int:
    where = urlsplit(settings.connect)
    if where.hostname not in (LOOPBACK, "localhost") or where.port is None:
        raise SetupError(f"it would serve on loopback only, not at {settings.connect}; mend ORDERFLOW_CONNECT")
    return where.port
