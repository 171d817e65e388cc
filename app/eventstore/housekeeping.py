"""Does what has to be done now and then, beside the relay."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from app.errors import TransientError
from app.eventstore.outbox import Connection
from app.observability.log import logger

PAUSE_S: Final = 3600.0
LOCK: LiteralString = "select pg_try_advisory_lock(%s)"

log = logger(__name__)


def keep_house(stop: threading.Event, *jobs: Callable[[threading.Event], object]) -> None:
    """Each job at once and then every hour, until `stop` is set; one that fails is tried again then."""
    while True:
        for job in jobs:
            try:
                job(stop)
            except (psycopg.Error, TransientError) as error:
                log.warning("housekeeping.failed", job=job.__qualname__, error=str(error))
        if stop.wait(PAUSE_S):
            return


@contextmanager
def at_work(conninfo: str, lock: int) -> Iterator[Connection | None]:
    """A connection for the one process that does this job; None while another one does it."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection if ask(connection, LOCK, lock) else None


def ask(connection: Connection, statement: LiteralString | sql.Composed, *parameters: object) -> Any:
    """The one value; None when there is no row."""
    (answer,) = connection.execute(statement, parameters).fetchone() or (None,)
    return answer
