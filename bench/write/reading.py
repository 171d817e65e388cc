"""Reading one order again from all its events."""

import asyncio
import time
from uuid import uuid4

from app.commands.service import Commands
from app.domain.events import ItemAdded
from app.eventstore.postgres import PostgresEventStore
from bench.write.appending import CODEC, ITEM, created

AT_ONCE = 1_000
TIMES = 5


async def rehydrate(dsn: str, events: int) -> float:
    """Seconds to have an order again from all its events, the least of five times."""
    order_id = str(uuid4())
    first = created(order_id)
    stream = [first]
    for version in range(2, events + 1):
        envelope = {"event_id": str(uuid4()), "order_id": order_id, "version": version, "causation_id": first.event_id}
        same = {"occurred_at": first.occurred_at, "correlation_id": first.correlation_id, "customer_id": "12923"}
        stream.append(ItemAdded(**envelope, **same, currency="GBP", item=ITEM, fulfilment="choreography"))
    async with PostgresEventStore(dsn, CODEC) as store:
        for start in range(0, events, AT_ONCE):
            part = stream[start : start + AT_ONCE]
            await store.append(order_id, start, part, command_id=uuid4())
        commands, times = Commands(store, lambda: 0), []
        for _ in range(TIMES):
            begin = time.perf_counter()
            order = await commands.order(order_id)
            times.append(time.perf_counter() - begin)
            assert order.version == events  # noqa: S101
    return min(times)


def measured(dsn: str, events: int) -> float:
    return asyncio.run(rehydrate(dsn, events))
