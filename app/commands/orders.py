"""Orders as the store has them, read from a snapshot on where there is one."""

import hashlib

import msgspec

from app.domain.events import Event
from app.domain.orders import Order, evolve_all
from app.eventstore.port import EventStore, Snapshot

# Raise it when `evolve` makes something else of the same events: snapshots kept before do not count then.
REVISION = 1
# a change of the order's own fields is noticed
_FIELDS = hashlib.sha256(msgspec.json.encode(msgspec.json.schema(Order))).hexdigest()[:16]
SCHEMA = f"order-{REVISION}-{_FIELDS}"
# events behind the last snapshot: so many make another one
INTERVAL = 200


class Orders:
    """Reads of an order of any length go through `INTERVAL` events, once its snapshots are written."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def current(self, order_id: str) -> Order | None:
        """The order as all its events make it; None when it has none."""
        kept, events = await self._latest(order_id)
        if not events:
            return kept
        order = evolve_all(kept, events)
        if len(events) >= INTERVAL:
            self._store.keep(order_id, Snapshot(order.version, SCHEMA, msgspec.msgpack.encode(order)))
        return order

    async def at(self, order_id: str, version: int) -> Order:
        """The order as it was at a version that it has come to; one before its snapshot costs all the events."""
        kept, events = await self._latest(order_id)
        if kept is not None and kept.version > version:
            kept, events = None, await self._store.read(order_id)
        until = [event for event in events if event.version <= version]
        return evolve_all(kept, until) if kept is None or until else kept

    async def _latest(self, order_id: str) -> tuple[Order | None, list[Event]]:
        snapshot, events = await self._store.read_latest(order_id, SCHEMA)
        if snapshot is None:
            return None, events
        try:
            return msgspec.msgpack.decode(snapshot.state, type=Order), events
        except msgspec.DecodeError:
            return None, await self._store.read(order_id)
