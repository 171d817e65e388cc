"""Publishes stored events again, by the way that every event takes: rows of the outbox, which a relay publishes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import LiteralString
from uuid import UUID

from app.domain.events import Event
from app.errors import PoisonError
from app.eventstore.batch import event_row
from app.eventstore.outbox import NOTIFY, Connection
from app.eventstore.streams import unreadable

# no append is between a version and its place in the outbox: what follows is behind what is put here
LOCK: LiteralString = "lock table events in share row exclusive mode"
# as every append, and behind the table's lock, as there: else the two would wait for each other
BESIDE_HANDOVERS: LiteralString = "select pg_advisory_xact_lock_shared(720005)"
EVENTS: LiteralString = "select version, payload from events where order_id = %s and version >= %s order by version"
PUBLISH: LiteralString = """
insert into outbox (aggregateid, version, id, type, payload, ce_time, traceparent) values (%s, %s, %s, %s, %s, %s, %s)
"""


@contextmanager
def appends_held(connection: Connection) -> Iterator[None]:
    """A transaction in which nothing is appended: what it puts into the outbox lies between appends. To be short."""
    with connection.transaction():
        connection.execute(LOCK)
        connection.execute(BESIDE_HANDOVERS)
        yield
        connection.execute(NOTIFY)


def republish(connection: Connection, decode: Callable[[bytes | None], Event], order_id: UUID, version: int) -> int:
    """Puts the events of the order from this version on into the outbox, while appends are held; how many.

    Raises `UnreadableEventError`: such an event has no headers.
    """
    rows = []
    for at, payload in connection.execute(EVENTS, (order_id, version), binary=True):
        try:
            row = event_row(decode(payload), partial(_as_stored, payload))
        except PoisonError as error:
            raise unreadable(f"version {at} of order {order_id}", error) from error
        kind, moment, trace = (text.decode() for text in (row.type, row.time, row.trace))
        rows.append((order_id, at, row.event_id, kind, payload, moment, trace))
    connection.cursor().executemany(PUBLISH, rows)
    return len(rows)


def _as_stored(payload: bytes, _: Event) -> bytes:
    return payload
