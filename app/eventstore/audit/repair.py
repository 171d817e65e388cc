"""Makes good what an audit finds, by publishing again what is lacking.

A record cannot be taken out of a topic. An order that lacks something gets its events again, from the first that a
reader lacks to the last, under their own ids and versions. What then has no use is noted as void.
"""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import LiteralString, Self
from uuid import UUID

import psycopg

from app.domain.events import Event
from app.errors import TransientError
from app.eventstore.audit.compare import Finding
from app.eventstore.audit.republish import appends_held, republish
from app.eventstore.captured import wait_until_captured
from app.eventstore.session import conninfo
from app.eventstore.unpublished import asking

ORDERS_AT_ONCE = 20
# how long the rows of a repair may wait without any of them being published
STALLED_S = 30.0
LOOK_S = 0.1

WAITING = asking("""
select count(*) from {mine} mine, relay_position p, outbox o where {is_unpublished} and o.xid < %s::xid8
""")
END: LiteralString = "select pg_snapshot_xmax(pg_current_snapshot())::text"
VOID: LiteralString = """
insert into void_records (topic, partition, "offset", order_id, event_id, wrong) values (%s, %s, %s, %s, %s, %s)
on conflict do nothing
"""


class RepairWaitsError(TransientError):
    """What was put into the outbox is not published."""


class Repair:
    """Over a connection of its own, in short transactions; safe to repeat after it was ended at any point."""

    def __init__(self, dsn: str, topic: str, decode: Callable[[bytes | None], Event]) -> None:
        self._conninfo = conninfo(dsn, "orderflow-repair", lock_timeout="2s")
        self._topic, self._decode = topic, decode
        self._lacking: list[tuple[UUID, int]] = []
        self.republished = self.voided = 0

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(self._conninfo, autocommit=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def republish(self, order_id: UUID, version: int) -> None:
        """Puts the events of the order from this version on into the outbox, at the next `flush` at the latest."""
        self._lacking.append((order_id, version))
        if len(self._lacking) == ORDERS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if not self._lacking:
            return
        with appends_held(self._connection):
            count = sum(republish(self._connection, self._decode, *order) for order in self._lacking)
        self.republished += count
        self._lacking = []

    def wait(self) -> None:
        """Until all that is in the outbox by now is published; a `RepairWaitsError` when nothing goes out."""
        (end,) = self._connection.execute(END).fetchone() or ("0",)
        left, until = -1, 0.0
        while waiting := self._waiting(end):
            if waiting != left:
                left, until = waiting, time.monotonic() + STALLED_S
            if time.monotonic() > until:
                raise RepairWaitsError(
                    f"{waiting} events wait in the outbox and nobody publishes them: start `orderflow relay`, or ask "
                    "for the handover again that `orderflow cdc status` shows, then repair again"
                )
            time.sleep(LOOK_S)
        wait_until_captured(self._connection)

    def _waiting(self, end: str) -> int:
        (waiting,) = self._connection.execute(WAITING, (end,)).fetchone() or (0,)
        return int(waiting)

    def void(self, records: Sequence[Finding]) -> None:
        """Notes that these records do not count any more."""
        rows = [(self._topic, r.partition, r.offset, r.order_id, r.event_id, r.wrong) for r in records]
        with self._connection.transaction():
            self._connection.cursor().executemany(VOID, rows)
        self.voided += len(rows)
