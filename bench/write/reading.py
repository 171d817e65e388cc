"""Reading one order again: from all its events, and from its snapshot."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from app.commands.orders import SCHEMA, Orders
from app.domain.events import Event, ItemAdded
from app.domain.orders import Order, evolve_all
from app.eventstore.postgres import PostgresEventStore
from bench.running import LIMIT_S
from bench.write.appending import CODEC, ITEM, created

AT_ONCE = 1_000
TIMES = 5


async def rehydrate(dsn: str, events: int) -> tuple[float, float]:
    """Seconds to have an order again from all its events, and from its snapshot: the least of five times each."""
    order_id = str(uuid4())
    made = stream(order_id, events)
    async with PostgresEventStore(dsn, CODEC) as store:
        for start in range(0, events, AT_ONCE):
            part = made[start : start + AT_ONCE]
            await store.append(order_id, start, part, command_id=uuid4())
        orders = Orders(store)

        async def from_all() -> Order | None:
            return evolve_all(None, await store.read(order_id))

        async def from_snapshot() -> Order | None:
            return await orders.current(order_id)

        without = await least(from_all, events)
        await orders.current(order_id)
        async with asyncio.timeout(LIMIT_S):
            await _kept(store, order_id)
        return without, await least(from_snapshot, events)


async def _kept(store: PostgresEventStore, order_id: str) -> None:
    while True:
        snapshot, _ = await store.read_latest(order_id, SCHEMA)
        if snapshot is not None:
            return
        await asyncio.sleep(0.01)


def stream(order_id: str, events: int) -> list[Event]:
    first = created(order_id)
    made = [first]
    for version in range(2, events + 1):
        envelope = {"event_id": str(uuid4()), "order_id": order_id, "version": version, "causation_id": first.event_id}
        same = {"occurred_at": first.occurred_at, "correlation_id": first.correlation_id, "customer_id": "12923"}
        made.append(ItemAdded(**envelope, **same, currency="GBP", item=ITEM, fulfilment="choreography"))
    return made


async def least(read: Callable[[], Awaitable[Order | None]], events: int) -> float:
    times = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        order = await read()
        times.append(time.perf_counter() - begin)
        assert order is not None  # noqa: S101
        assert order.version == events  # noqa: S101
    return min(times)


def measured(dsn: str, events: int) -> tuple[float, float]:
    return asyncio.run(rehydrate(dsn, events))
