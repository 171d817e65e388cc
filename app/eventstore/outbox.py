"""Reads the outbox in the order of publication: by (xid, seq), and never past a transaction that may still add rows."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, LiteralString, NamedTuple, TypeAlias

import msgspec
import psycopg
from psycopg import sql

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

# the relay listens
NOTIFY: LiteralString = "notify outbox"

# what a session needs so that its prepared plans stay walks along the index, however small the tables were at first
INDEX_WALK = {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"}

# outbox.xid: a bare xid would sort by the text of the select list.
# What a handover has given to the other side is left out by the same snapshot that sees the rows: an append behind a
# handover sees it, and so does whoever sees the append.
READ = """
with mine as materialized (
    select relay_until as until, greatest(relay_from, %s::xid8) as xid,
        case when relay_from > %s::xid8 then 0 else %s end as seq
    from publishing
)
select
    id::text, aggregatetype, aggregateid::text, type, payload, ce_time, traceparent, xid::text, seq,
    xid < pg_snapshot_xmin(pg_current_snapshot()) as settled
from outbox
where (xid, seq) > ((select xid from mine), (select seq from mine)) and xid < (select until from mine)
    and outbox_shard(aggregateid, %s) = %s
order by outbox.xid, outbox.seq
limit %s
"""
# of one aggregate: behind its mark, up to the position of the shard
READ_ONE = """
select
    id::text, aggregatetype, aggregateid::text, type, payload, ce_time, traceparent, xid::text, seq, true as settled
from outbox
where aggregateid = %s and (xid, seq) > (%s::xid8, %s) and (xid, seq) <= (%s::xid8, %s)
order by outbox.xid, outbox.seq
limit %s
"""
COPY = "update relay_position set xid = %s::xid8, seq = %s, published = %s, saved_at = now() where shard = %s"
COPIED = "select xid::text, seq, published from relay_position where shard = %s"
SHARDS = "select count(*) from relay_position"
AHEAD = "select %s::xid8 >= pg_snapshot_xmax(pg_current_snapshot())"
# each with its part of the values of `seq`, by its number
PARTITIONS: Final = sql.SQL("""
select substring(relname from 8)::int as number from pg_inherits join pg_class on pg_class.oid = inhrelid
where inhparent = 'outbox'::regclass
""")
# a partition that is gone, with a newer one there, was dropped for its age
KNOWS: Final = sql.SQL("""
select coalesce(
    (select id = %s::uuid from outbox where xid = %s::xid8 and seq = %s),
    (select bool_and(number <> %s) and max(number) > %s from ({}) parts)
)
""").format(PARTITIONS)
# values of `seq` in a partition
RANGE: Final = 10**12


# as tuples, which all rows share
CONTENT_TYPE: Final = ("content-type", "application/avro")
SPECVERSION: Final = ("ce_specversion", "1.0")


class Mark(msgspec.Struct, frozen=True):
    """Up to where the rows of a blocked aggregate are published."""

    aggregateid: str
    xid: str
    seq: int


class Position(msgspec.Struct, frozen=True):
    """Up to where a shard is published, and how many events that were; `released` when the last ones were some that had
    been left behind. `event_id` is that of the row, where it is known: the same place in another history is another's.
    """

    xid: str
    seq: int
    published: int
    released: Mark | None = None
    event_id: str = ""


class OutboxRow(NamedTuple):
    """One event to be published."""

    event_id: str
    aggregatetype: str
    aggregateid: str
    type: str
    payload: bytes
    ce_time: str
    traceparent: str
    xid: str
    seq: int
    settled: bool

    @property
    def topic(self) -> str:
        return f"{self.aggregatetype}.events"

    def headers(self) -> list[tuple[str, str]]:
        """Those of `app.serde.cloudevents`, to the byte."""
        event_id, aggregatetype, aggregateid, kind, _, ce_time, traceparent, *_ = self
        return [
            ("ce_source", f"/orderflow/{aggregatetype}"),
            CONTENT_TYPE,
            SPECVERSION,
            ("ce_id", event_id),
            ("ce_type", kind),
            ("ce_time", ce_time),
            ("ce_subject", aggregateid),
            ("traceparent", traceparent),
        ]


class Read(NamedTuple):
    """Rows that may be published; behind them some are `held` back by a transaction in progress, or `more` may be."""

    rows: list[OutboxRow]
    held: bool
    more: bool


def as_rows(_: object) -> Callable[[Sequence[Any]], OutboxRow]:
    """A row factory that makes no call in Python for a row."""
    return partial(tuple.__new__, OutboxRow)


class OutboxShard:
    """The rows of one shard, read over a connection that is this shard's owner."""

    def __init__(self, connection: Connection, shard: int, shards: int) -> None:
        self._cursor = connection.cursor(binary=True)
        self._rows = connection.cursor(binary=True, row_factory=as_rows)
        self._shard, self._shards = shard, shards

    def read(self, position: Position, limit: int) -> Read:
        """The next rows, so many at most."""
        parameters = (position.xid, position.xid, position.seq, self._shards, self._shard, limit)
        rows = self._rows.execute(READ, parameters, prepare=True).fetchall()
        held = bool(rows) and not rows[-1].settled
        return Read([row for row in rows if row.settled] if held else rows, held, len(rows) == limit and not held)

    def left_behind(self, mark: Mark, position: Position, limit: int) -> list[OutboxRow]:
        """The next rows of a blocked aggregate that the shard has passed."""
        between = (mark.xid, mark.seq, position.xid, position.seq)
        return self._rows.execute(READ_ONE, (mark.aggregateid, *between, limit), prepare=True).fetchall()

    def knows(self, position: Position) -> bool:
        """Whether the position is of this database's history: it has come there, and the row there is that one."""
        (ahead,) = self._cursor.execute(AHEAD, (position.xid,)).fetchone() or (False,)
        if ahead or not position.event_id:
            return not ahead
        place, part = (position.event_id, position.xid, position.seq), position.seq // RANGE
        (known,) = self._cursor.execute(KNOWS, (*place, part, part)).fetchone() or (False,)
        return bool(known)

    def copied(self) -> Position:
        """The position as it was last copied here."""
        self._cursor.execute(COPIED, (self._shard,))
        return Position(*(self._cursor.fetchone() or ("0", 0, 0)))

    def copy(self, position: Position) -> None:
        """For the day when the group's offsets have expired: the position itself is in Kafka."""
        self._cursor.execute(COPY, (position.xid, position.seq, position.published, self._shard), prepare=True)
