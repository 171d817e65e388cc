"""The aggregates of a shard whose rows wait: Kafka refuses one of them, and nothing may overtake it."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec
import psycopg
from psycopg.rows import class_row

from app.errors import SetupError
from app.eventstore.outbox import NOTIFY, Connection, Mark
from app.eventstore.session import conninfo
from app.observability.log import logger
from app.observability.metrics import RELAY_BLOCKED

# how often to ask which may be tried again, while any waits
LOOK_S: Final = 1.0
DUE_AT_ONCE: Final = 100

ALL: LiteralString = "select aggregateid::text from outbox_blocked where shard = %s"
DUE: LiteralString = """
select aggregateid::text, xid::text, seq from outbox_blocked
where shard = %s and next_attempt_at <= now() order by next_attempt_at limit %s
"""
BLOCK: LiteralString = """
insert into outbox_blocked (aggregateid, shard, xid, seq, last_error, next_attempt_at)
values (%s, %s, %s::xid8, %s, %s, now() + interval '1 second')
"""
# 2, 4, 8, ... 64 seconds
REFUSED: LiteralString = """
update outbox_blocked set retry_count = retry_count + 1, last_error = %s,
    next_attempt_at = now() + interval '1 second' * 2 ^ least(retry_count + 1, 6)
where aggregateid = %s
"""
MOVE: LiteralString = """
update outbox_blocked set xid = %s::xid8, seq = %s, next_attempt_at = now()
where aggregateid = %s and (xid, seq) < (%s::xid8, %s)
"""
UNBLOCK: LiteralString = "delete from outbox_blocked where aggregateid = %s"
LISTED: LiteralString = """
select aggregateid::text, shard, retry_count, last_error, next_attempt_at, blocked_at
from outbox_blocked order by blocked_at, aggregateid
"""
TRY_AGAIN: LiteralString = """
update outbox_blocked set next_attempt_at = now() where aggregateid::text = any (%s) returning aggregateid::text
"""
DURABLE: LiteralString = "set local synchronous_commit = on"


class BlockedAggregates:
    """Those of one shard, over the connection of its owner, who alone changes them.

    What is written here is on disk when a call returns: the next transaction of the shard relies on it.
    """

    def __init__(self, connection: Connection, shard: int) -> None:
        self._connection, self._shard = connection, shard
        self._ids: set[str] = set()
        self._looked_at = 0.0
        self._log = logger(__name__).bind(shard=shard)

    def begin(self, released: Mark | None) -> None:
        """Takes them over. `released` is what Kafka says was published last of one; it may not be written here yet."""
        if released is not None:
            self.move(released)
        self._ids = {aggregate for (aggregate,) in self._connection.execute(ALL, (self._shard,))}
        self._count()

    def __contains__(self, aggregateid: str) -> bool:
        return aggregateid in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def due(self) -> list[Mark]:
        """Those that may be tried again; asked for once in `LOOK_S` at most, and only while any is blocked."""
        if not self._ids or time.monotonic() < self._looked_at + LOOK_S:
            return []
        self._looked_at = time.monotonic()
        return [Mark(*row) for row in self._connection.execute(DUE, (self._shard, DUE_AT_ONCE))]

    def block(self, mark: Mark, error: str) -> None:
        """From here on its rows wait; those up to the mark are published."""
        self._write(BLOCK, mark.aggregateid, self._shard, mark.xid, mark.seq, error)
        self._ids.add(mark.aggregateid)
        self._count()
        self._log.warning("relay.blocked", aggregate=mark.aggregateid, error=error)

    def refused(self, aggregateid: str, error: str) -> None:
        """It was tried again, in vain."""
        self._write(REFUSED, error, aggregateid)

    def move(self, mark: Mark) -> None:
        """Its rows up to there are published."""
        self._write(MOVE, mark.xid, mark.seq, mark.aggregateid, mark.xid, mark.seq)

    def unblock(self, aggregateid: str) -> None:
        """None of its rows waits any more."""
        self._write(UNBLOCK, aggregateid)
        self._ids.discard(aggregateid)
        self._count()
        self._log.info("relay.unblocked", aggregate=aggregateid)

    def _write(self, statement: LiteralString, *parameters: Any) -> None:
        with self._connection.transaction():
            self._connection.execute(DURABLE)
            self._connection.execute(statement, parameters)

    def _count(self) -> None:
        RELAY_BLOCKED.labels(self._shard).set(len(self._ids))


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A blocked aggregate, as an operator sees it."""

    aggregateid: str
    shard: int
    retry_count: int
    last_error: str
    next_attempt_at: datetime
    blocked_at: datetime


def listed(dsn: str) -> list[Blocked]:
    """Those of all shards, the one that waits longest first."""
    with _connected(dsn) as connection, connection.cursor(row_factory=class_row(Blocked)) as cursor:
        return cursor.execute(LISTED).fetchall()


def try_again(dsn: str, aggregates: Sequence[str]) -> list[str]:
    """Makes them due now, and wakes the relay; those that were blocked."""
    with _connected(dsn) as connection:
        due = [aggregate for (aggregate,) in connection.execute(TRY_AGAIN, (list(aggregates),))]
        connection.execute(NOTIFY)
        return due


def _connected(dsn: str) -> Connection:
    try:
        return psycopg.connect(conninfo(dsn, "orderflow-outbox", statement_timeout="10s"))
    except psycopg.Error as error:
        raise SetupError(f"no connection to PostgreSQL: {error}; start it, or mend ORDERFLOW_POSTGRES") from None
