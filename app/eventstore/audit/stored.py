"""Reads the store in one snapshot, order by order, as a stream."""

from collections.abc import Callable, Iterator
from itertools import groupby
from types import TracebackType
from typing import Any, LiteralString, NamedTuple, Self
from uuid import UUID

import psycopg
from psycopg import sql

from app.domain.events import Event
from app.errors import PoisonError, SetupError
from app.eventstore.audit.compare import Stored
from app.eventstore.audit.digest import digest
from app.eventstore.captured import wait_until_captured
from app.eventstore.session import conninfo
from app.eventstore.unpublished import asking
from app.serde.cloudevents import headers

PORTION = 2_000

EVENTS: LiteralString = "select order_id, version, event_id, payload from events order by order_id, version"
# the oldest event of each order that is yet to be published
PENDING = asking("""
select aggregateid, min(version) from (
    select o.aggregateid, o.version from {mine} mine, relay_position p, outbox o where {is_unpublished}
    union all
    select o.aggregateid, o.version from outbox_blocked b join outbox o using (aggregateid)
    where (o.xid, o.seq) > (b.xid, b.seq)
) unpublished
group by aggregateid order by aggregateid
""")
VOID: LiteralString = 'select partition, "offset" from void_records where topic = %s'
APPENDED: LiteralString = "select exists (select from events where order_id = %s and event_id = %s)"


class Stream(NamedTuple):
    """The events of one order; from `pending_from` on they are yet to be published."""

    order_id: UUID
    events: list[Stored]
    pending_from: int | None


class Snapshot:
    """The store as it was when this was entered, read only: it holds up no relay, however long it takes."""

    def __init__(self, dsn: str, decode: Callable[[bytes | None], Event]) -> None:
        unlimited = {"transaction_timeout": 0, "idle_in_transaction_session_timeout": 0}
        self._conninfo = conninfo(dsn, "orderflow-audit", default_transaction_read_only="on", **unlimited)
        self._decode = decode
        self.events = 0

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(self._conninfo)
        self._now = psycopg.connect(self._conninfo, autocommit=True)
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        try:
            (self.events,) = self._connection.execute("select count(*) from events").fetchone() or (0,)
        except psycopg.errors.UndefinedTable as error:
            raise SetupError(f"the database lacks a table: {error}; run `orderflow migrate`, then audit") from None
        wait_until_captured(self._now)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._now.close()

    def void(self, topic: str) -> frozenset[tuple[int, int]]:
        """Partition and offset of the records that a repair has made good."""
        return frozenset(self._connection.execute(VOID, (topic,)).fetchall())

    def orders(self) -> Iterator[Stream]:
        """By order id."""
        pending = self._rows("pending", PENDING)
        next_pending = next(pending, None)
        for order_id, rows in groupby(self._rows("events", EVENTS), lambda row: row[0]):
            pending_from = None
            if next_pending is not None and next_pending[0] == order_id:
                pending_from, next_pending = next_pending[1], next(pending, None)
            yield Stream(order_id, [self._stored(*row) for row in rows], pending_from)

    def has_by_now(self, order_id: str, event_id: str) -> bool:
        """Whether the event is in the store, as that is when this is asked."""
        (found,) = self._now.execute(APPENDED, (order_id, event_id)).fetchone() or (False,)
        return bool(found)

    def _stored(self, order_id: UUID, version: int, event_id: UUID, payload: bytes) -> Stored:
        try:
            event = self._decode(payload)
        except PoisonError:
            return Stored(version, event_id, None)
        return Stored(version, event_id, digest(str(order_id).encode(), payload, headers(event)))

    def _rows(self, name: str, statement: LiteralString | sql.Composed) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name, binary=True) as cursor:
            cursor.itersize = PORTION
            yield from cursor.execute(statement)
