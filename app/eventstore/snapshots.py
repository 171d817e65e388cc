"""Snapshots on PostgreSQL: read together with the events behind them, written by a session of their own."""

import asyncio
from uuid import UUID

import psycopg

from app.eventstore.port import Snapshot, StoreUnavailableError
from app.eventstore.session import Rows, Session
from app.observability.log import logger

# what an event has made that was skipped since is not read, whenever it was written
READ_LATEST = """
with kept as materialized (
    select version, state from snapshots s where order_id = %b and schema = %b
    and not exists (select from skipped_events e where e.order_id = s.order_id and e.version <= s.version)
)
select version, state as content, true as is_snapshot from kept
union all
select version, payload, false from events
where order_id = %b and version > coalesce((select version from kept), 0)
order by version
"""
KEEP = """
insert into snapshots as kept (order_id, version, schema, state) values (%b, %b, %b, %b)
on conflict (order_id) do update
set version = excluded.version, schema = excluded.schema, state = excluded.state, kept_at = now()
where kept.schema <> excluded.schema or kept.version < excluded.version
"""
# the next read of an order asks again for one that finds no place
MAX_WAITING = 100


def latest(rows: Rows, schema: str) -> tuple[Snapshot | None, Rows]:
    """The snapshot among the rows of `READ_LATEST`, and the rows of the events: version and payload first."""
    if not rows or not rows[0][2]:
        return None, rows
    version, state, _ = rows[0]
    return Snapshot(version, schema, state), rows[1:]


class SnapshotWriter:
    """Writes one after another what it was given, of each order the newest. What fails is left out."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: dict[UUID, Snapshot] = {}
        self._ready = asyncio.Event()
        self._log = logger(__name__)

    def take(self, stream: UUID, snapshot: Snapshot) -> None:
        if stream in self._waiting or len(self._waiting) < MAX_WAITING:
            self._waiting[stream] = snapshot
            self._ready.set()

    async def run(self) -> None:
        while True:
            await self._ready.wait()
            while self._waiting:
                stream = next(iter(self._waiting))
                await self._write(stream, self._waiting.pop(stream))
            self._ready.clear()

    async def _write(self, stream: UUID, snapshot: Snapshot) -> None:
        try:
            await self._session.run(KEEP, (stream, snapshot.version, snapshot.schema, snapshot.state))
        except (StoreUnavailableError, psycopg.Error) as error:
            self._log.warning("snapshot.lost", order_id=str(stream), version=snapshot.version, error=str(error))
