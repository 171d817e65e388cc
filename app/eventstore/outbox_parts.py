"""The partitions of the outbox: begins a new one from time to time, and drops those that are published and old.

Each has a range of `seq` that is never used up. The sequence is set to the range of the newest one, which holds up no
append; after that nothing is added to the ones before, but by appends that were in progress.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Final, LiteralString, TypeVar

import psycopg
from psycopg import sql

from app.eventstore.captured import wait_until_captured
from app.eventstore.housekeeping import ask, at_work
from app.eventstore.outbox import PARTITIONS, RANGE, Connection
from app.eventstore.session import conninfo
from app.eventstore.unpublished import asking
from app.observability.log import logger

# so many partitions until the age is reached
PARTS: Final = 7
# appends wait behind us while we wait for who reads the outbox
LOCK_LIMIT: Final = "100ms"
TRIES: Final = 20
PAUSE_S: Final = 0.5

_WORKING: Final = 720_008
ALL = sql.SQL("{} order by number").format(PARTITIONS)
BEGIN: LiteralString = "create table {part} partition of outbox for values from ({first}) to ({end})"
FILL: LiteralString = """
select setval(seq, %s, false) from pg_get_serial_sequence('outbox', 'seq') seq
where coalesce(pg_sequence_last_value(seq::regclass), 0) < %s
"""
FIRST_IS_OLD: LiteralString = "select appended_at < now() - %s from {part} order by xid, seq limit 1"
LAST_IS_OLD: LiteralString = """
select appended_at < now() - %s and xid < %s::xid8 from {part} order by xid desc, seq desc limit 1
"""
# between the steps of a handover nobody can say what is published
HORIZON: LiteralString = """
select pg_snapshot_xmin(pg_current_snapshot())::text from publishing where state in ('relay', 'cdc')
"""
UNPUBLISHED: LiteralString = """
select exists (
    select from {mine} mine, relay_position p, {part} o where {is_unpublished}
) or exists (
    select from outbox_blocked b join {part} o using (aggregateid) where (o.xid, o.seq) > (b.xid, b.seq)
)
"""
DROP: LiteralString = "drop table {part}"
# in the order of appends, and of the drop: no append is in progress then, and the next ones find the sequence moved
LOCK: LiteralString = "lock table only outbox, {part} in access exclusive mode"

ResultT = TypeVar("ResultT")

log = logger(__name__)


class OutboxParts:
    """Any number may run: one of them at a time is at work."""

    def __init__(self, dsn: str, keep: timedelta) -> None:
        self._conninfo = conninfo(dsn, "orderflow-outbox", statement_timeout="60s", lock_timeout=LOCK_LIMIT)
        self._keep = keep

    def tend(self, stop: threading.Event) -> list[int]:
        """Which partitions were dropped: of rows that are all published, and older than the age."""
        with at_work(self._conninfo, _WORKING) as connection:
            if connection is None:
                return []
            self._begin(connection, stop)
            return list(self._drop(connection, stop))

    def _begin(self, connection: Connection, stop: threading.Event) -> None:
        newest = _parts(connection)[-1]
        if ask(connection, _of(newest, FIRST_IS_OLD), self._keep / PARTS):
            newest += 1
            _when_free(partial(connection.execute, _of(newest, BEGIN)), newest, stop)
        # also after one that was ended before it could
        first = _parts(connection)[-1] * RANGE
        connection.execute(FILL, (first, first))

    def _drop(self, connection: Connection, stop: threading.Event) -> Iterator[int]:
        horizon = ask(connection, HORIZON)
        complete = _parts(connection)[:-1]
        if horizon is None or not complete:
            return
        wait_until_captured(connection)
        for part in complete:
            if not self._is_old(connection, part, horizon) or ask(connection, _of(part, UNPUBLISHED)):
                continue
            if _when_free(partial(self._drop_unless_young, connection, part, horizon), part, stop):
                log.info("outbox.dropped", part=part)
                yield part

    def _is_old(self, connection: Connection, part: int, horizon: str) -> bool:
        """Whether all of its rows are old, and were seen by whatever was asked after the horizon; also without rows."""
        return ask(connection, _of(part, LAST_IS_OLD), self._keep, horizon) is not False

    def _drop_unless_young(self, connection: Connection, part: int, horizon: str) -> bool:
        """Whether it was dropped. An append that waited behind a partition's beginning may have taken its number before
        the sequence was moved: its row is here, of a transaction behind the horizon, and nobody has asked after it."""
        with connection.transaction():
            connection.execute(_of(part, LOCK))
            if not self._is_old(connection, part, horizon):
                return False
            connection.execute(_of(part, DROP))
            return True


def _parts(connection: Connection) -> list[int]:
    return [number for (number,) in connection.execute(ALL)]


def _of(part: int, statement: LiteralString) -> sql.Composed:
    first, end = sql.Literal(part * RANGE), sql.Literal((part + 1) * RANGE)
    return asking(statement, part=sql.Identifier(f"outbox_{part}"), first=first, end=end)


def _when_free(do: Callable[[], ResultT], part: int, stop: threading.Event) -> ResultT | None:
    """What came of it, which needs the outbox for itself for a moment; None when others kept it."""
    for _ in range(TRIES):
        try:
            return do()
        except psycopg.errors.LockNotAvailable:
            if stop.wait(PAUSE_S):
                return None
    log.warning("outbox.busy", part=part)
    return None
