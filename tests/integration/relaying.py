"""A relay in a thread, a topic of its own for the outbox of a database, and rows in that outbox."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg import sql

from app.eventstore.relay import Relay

LIMIT_S = 30.0
ROW = """
insert into outbox (aggregateid, version, id, type, payload, ce_time, traceparent)
values (%s, %s, gen_random_uuid(), 'orderflow.orders.OrderCreated', %s, '', '')
"""


def publish_to(database: str, aggregatetype: str) -> None:
    """The topic of rows that are added from now on: `<aggregatetype>.events`."""
    with psycopg.connect(database) as connection:
        default = sql.SQL("alter table outbox alter aggregatetype set default {}")
        connection.execute(default.format(aggregatetype))


@contextmanager
def running(relay: Relay) -> Iterator[None]:
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def insert_row(connection: psycopg.Connection, aggregate: UUID, version: int, payload: bytes) -> None:
    connection.execute(ROW, (aggregate, version, payload))


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + 2 * LIMIT_S
    while not condition():
        assert time.monotonic() < limit, "the condition was not met in time"
        time.sleep(0.02)
