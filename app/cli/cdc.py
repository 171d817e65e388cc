"""`orderflow cdc`: change data capture, where Debezium publishes the outbox in place of the relay."""

import signal
import threading
from typing import Final
from urllib.parse import urlsplit

import typer

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
