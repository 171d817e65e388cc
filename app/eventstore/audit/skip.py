"""Skips one event of the store that cannot be read, or is wrong: another takes its place, and it is kept aside."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import LiteralString, TypeAlias

import msgspec
import psycopg
from psycopg.rows import class_row

from app.domain.events import Event
from app.errors import PoisonError, RefusedError
from app.eventstore.audit.republish import appends_held, republish
from app.eventstore.batch import event_row, failure
from app.eventstore.outbox import Connection
from app.eventstore.postgres import Codec
from app.eventstore.session import conninfo
from app.eventstore.streams import stream_of

# the payload of the first one alone
STREAM: LiteralString = """
select version, event_id::text, type, case version when 1 then payload end from events where order_id = %s
"""
SKIPS: LiteralString = """
select order_id::text, version, event_id::text, type, skipped_at as at, who, reason from skipped_events
"""
ONE: LiteralString = SKIPS + "where order_id = %s and version = %s"
ALL: LiteralString = SKIPS + "order by skipped_at, order_id, version"
KEEP: LiteralString = """
insert into skipped_events (order_id, version, event_id, type, payload, appended_at, xid, who, reason)
select order_id, version, event_id, type, payload, appended_at, xid, %s, %s from events
where order_id = %s and version = %s
"""
# its place among all events stays
REPLACE: LiteralString = "update events set type = %s, payload = %s where order_id = %s and version = %s"

# from the first event, if it can be read, the kind of each version, the version and its event id: what takes its place
Substitute: TypeAlias = Callable[[Event | None, Mapping[int, str], int, str], Event]


class UnknownEventError(RefusedError):
    """The store has no such event."""


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was skipped: what it was, when, at whose word, and why."""

    order_id: str
    version: int
    event_id: str
    type: str
    at: datetime
    who: str
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """`republished`: how many events of the order go to the topic again; none when it had been skipped before."""

    skip: Skip
    republished: int


class Skips:
    """Over a connection for each call. PostgreSQL's troubles are `StoreUnavailableError`s."""

    def __init__(self, dsn: str, codec: Codec) -> None:
        self._conninfo = conninfo(dsn, "orderflow-skip", lock_timeout="2s")
        self._codec = codec

    def skip(self, order_id: str, version: int, substitute: Substitute, *, who: str, reason: str) -> Skipped:
        """All of it or nothing. Asked again it changes nothing. Appends of the moment wait, and come behind it.

        Raises `UnknownEventError`, what `substitute` refuses, and `UnreadableEventError` for a later event.
        """
        stream = stream_of(order_id)
        with self._connected() as connection, appends_held(connection):
            cursor = connection.cursor(row_factory=class_row(Skip))
            before = cursor.execute(ONE, (stream, version)).fetchone()
            if before is not None:
                return Skipped(before, 0)
            stored = {at: rest for at, *rest in connection.execute(STREAM, (stream,), binary=True)}
            if stream is None or version not in stored:
                raise UnknownEventError(f"order {order_id} has no version {version}; take both as `audit` shows them")
            kinds = {at: kind.rpartition(".")[2] for at, (_, kind, _) in stored.items()}
            created = self._event(stored[1][2]) if 1 in stored else None
            row = event_row(substitute(created, kinds, version, stored[version][0]), self._codec.encode)
            connection.execute(KEEP, (who, reason, stream, version))
            connection.execute(REPLACE, (row.type.decode(), row.payload, stream, version))
            [skip] = cursor.execute(ONE, (stream, version)).fetchall()
            return Skipped(skip, republish(connection, self._codec.decode, stream, version))

    def all(self) -> list[Skip]:
        """The oldest first."""
        with self._connected() as connection, connection.cursor(row_factory=class_row(Skip)) as cursor:
            return cursor.execute(ALL).fetchall()

    def _event(self, payload: bytes | None) -> Event | None:
        try:
            return self._codec.decode(payload)
        except PoisonError:
            return None

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                yield connection
        except psycopg.Error as error:
            raise failure(error) from error
