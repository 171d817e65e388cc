"""A relay in a thread, a topic of its own for the outbox of a database, and rows in that outbox."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg import sql

from app.eventstore.relay import Relay
from tests.waiting import PATIENCE_S

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
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def insert_row(connection: psycopg.Connection, aggregate: UUID, version: int, payload: bytes) -> None:
    connection.execute(ROW, (aggregate, version, payload))
