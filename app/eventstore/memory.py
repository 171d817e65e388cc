"""The event store in memory, for simulations: same contract, no waiting, gone with the process."""

from collections.abc import Sequence
from uuid import UUID

from app.domain.events import Event
from app.errors import ConcurrencyError
from app.eventstore.port import PAGE, START, Appended, Recorded, Snapshot
from app.eventstore.streams import check_append, command_reused, no_position


class MemoryEventStore:
    """`outbox` is what a relay would publish: every event, in the order of the appends."""

    def __init__(self) -> None:
        self.outbox: list[Event] = []
        self._streams: dict[str, list[Event]] = {}
        self._results: dict[UUID, tuple[str, bytes, int]] = {}
        self._snapshots: dict[str, Snapshot] = {}

    async def append(
        self, order_id: str, expected: int, events: Sequence[Event], *, command_id: UUID, fingerprint: bytes = b""
    ) -> Appended:
        check_append(order_id, expected, events)
        recorded = await self.recorded(order_id, command_id=command_id, fingerprint=fingerprint)
        if recorded is not None:
            return recorded
        stream = self._streams.setdefault(order_id, [])
        if len(stream) != expected:
            raise ConcurrencyError(order_id, expected, len(stream))
        stream.extend(events)
        self.outbox.extend(events)
        self._results[command_id] = (order_id, fingerprint, len(stream))
        return Appended(len(stream), replayed=False)

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        return self._streams.get(order_id, [])[max(from_version, 1) - 1 :]

    async def read_all(self, after: str = START, limit: int = PAGE) -> list[Recorded]:
        if after != START and not after.isdecimal():
            raise no_position(after)
        first = int(after or 0)
        page = self.outbox[first : first + limit]
        return [Recorded(str(number), event) for number, event in enumerate(page, first + 1)]

    async def read_latest(self, order_id: str, schema: str) -> tuple[Snapshot | None, list[Event]]:
        kept = self._snapshots.get(order_id)
        if kept is None or kept.schema != schema:
            return None, await self.read(order_id)
        return kept, await self.read(order_id, kept.version + 1)

    def keep(self, order_id: str, snapshot: Snapshot) -> None:
        kept = self._snapshots.get(order_id)
        if kept is None or kept.schema != snapshot.schema or kept.version < snapshot.version:
            self._snapshots[order_id] = snapshot

    async def recorded(self, order_id: str, *, command_id: UUID, fingerprint: bytes = b"") -> Appended | None:
        result = self._results.get(command_id)
        if result is None:
            return None
        if result[:2] != (order_id, fingerprint):
            raise command_reused(command_id)
        return Appended(result[2], replayed=True)
