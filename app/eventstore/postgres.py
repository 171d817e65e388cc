"""The event store on PostgreSQL. What the driver says is translated here: its errors do not leave this package."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

import psycopg

from app.domain.events import Event
from app.errors import PoisonError
from app.eventstore.all_events import READ_ALL, place, position
from app.eventstore.batch import Command, event_row, failure
from app.eventstore.group_commit import GroupCommit
from app.eventstore.outbox import NOTIFY
from app.eventstore.port import PAGE, START, Appended, Recorded, Snapshot, StoreUnavailableError
from app.eventstore.session import Rows, Session
from app.eventstore.snapshots import READ_LATEST, SnapshotWriter, latest
from app.eventstore.streams import check_append, command_reused, stream_of, unreadable

READ = "select version, payload from events where order_id = %b and version >= %b order by version"
RECORDED = "select order_id, version, fingerprint from idempotency where command_id = %b"
# a notification of the relay inside an append would make the commits wait for each other
NOTIFY_PAUSE_S = 0.001

# two statements on their way: one is committed while the next is put together
WRITERS = 2
READERS = 4
LIMIT_SECONDS = 6.0


class Codec(Protocol):
    """Of the values of `orders.events`."""

    def encode(self, event: Event) -> bytes: ...

    def decode(self, value: bytes | None) -> Event: ...


class PostgresEventStore:
    """`async with PostgresEventStore(dsn, codec) as store`. Connects when it is first used, and again after a loss."""

    def __init__(self, dsn: str, codec: Codec) -> None:
        self._codec = codec
        self._sessions = [Session(dsn, "orderflow-store", LIMIT_SECONDS) for _ in range(WRITERS + READERS + 2)]
        self._notifying, beside, *reading = self._sessions[WRITERS:]
        self._snapshots = SnapshotWriter(beside)
        self._readers = itertools.cycle(reading)
        self._appended = asyncio.Event()
        self._group = GroupCommit(self._sessions[:WRITERS], self._appended.set)

    async def append(
        self, order_id: str, expected: int, events: Sequence[Event], *, command_id: UUID, fingerprint: bytes = b""
    ) -> Appended:
        stream = check_append(order_id, expected, events)
        rows = [event_row(event, self._codec.encode) for event in events]
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Appended] = loop.create_future()
        self._group.submit(Command(stream, expected, command_id, fingerprint, rows, outcome))
        late = loop.call_later(2 * LIMIT_SECONDS, _give_up, outcome)  # asyncio.timeout costs several times as much
        try:
            return await outcome
        finally:
            late.cancel()

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        stream = stream_of(order_id)
        rows = await self._query(READ, stream, from_version) if stream else []
        return self._decoded(order_id, rows)

    async def read_all(self, after: str = START, limit: int = PAGE) -> list[Recorded]:
        rows = await self._query(READ_ALL, *place(after), limit)
        found: list[Recorded] = []
        for *where, payload in rows:
            try:
                found.append(Recorded(position(*where), self._codec.decode(payload)))
            except PoisonError as error:
                if found:
                    break
                raise unreadable(f"the event at position {position(*where)}", error) from error
        return found

    async def read_latest(self, order_id: str, schema: str) -> tuple[Snapshot | None, list[Event]]:
        stream = stream_of(order_id)
        rows = await self._query(READ_LATEST, stream, schema, stream) if stream else []
        snapshot, events = latest(rows, schema)
        return snapshot, self._decoded(order_id, events)

    def keep(self, order_id: str, snapshot: Snapshot) -> None:
        stream = stream_of(order_id)
        if stream is not None:
            self._snapshots.take(stream, snapshot)

    async def recorded(self, order_id: str, *, command_id: UUID, fingerprint: bytes = b"") -> Appended | None:
        for stream, version, kept in await self._query(RECORDED, command_id):
            if (str(stream), kept) != (order_id, fingerprint):
                raise command_reused(command_id)
            return Appended(version, replayed=True)
        return None

    def _decoded(self, order_id: str, rows: Rows) -> list[Event]:
        """The events of rows that begin with version and payload."""
        decode = self._codec.decode
        try:
            return [decode(row[1]) for row in rows]
        except PoisonError:
            for version, payload, *_ in rows:
                try:
                    decode(payload)
                except PoisonError as error:
                    raise unreadable(f"version {version} of order {order_id}", error) from error
            raise

    async def _query(self, statement: str, *parameters: object) -> Rows:
        try:
            return await next(self._readers).run(statement, parameters)
        except psycopg.Error as error:
            raise failure(error) from error

    async def _notify(self) -> None:
        while True:
            await self._appended.wait()
            self._appended.clear()
            # the relay looks by itself too, if later
            with contextlib.suppress(StoreUnavailableError, psycopg.Error):
                await self._notifying.run(NOTIFY)
            # under load one notification speaks for many appends
            await asyncio.sleep(NOTIFY_PAUSE_S)

    async def __aenter__(self) -> Self:
        self._group.start()
        self._beside = [asyncio.create_task(self._notify()), asyncio.create_task(self._snapshots.run())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.stop(LIMIT_SECONDS)
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await asyncio.gather(*[session.close() for session in self._sessions])


def _give_up(outcome: "asyncio.Future[Appended]") -> None:
    if not outcome.done():
        error = f"no outcome within {2 * LIMIT_SECONDS:g} s; send the command again"
        outcome.set_exception(StoreUnavailableError(error))
