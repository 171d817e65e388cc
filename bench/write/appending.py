"""Appends: writers that append one after another, and writers that come at a steady rate."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

from app.allocation import collect_less
from app.domain.events import Event, Item, OrderCreated
from app.eventstore.postgres import PostgresEventStore
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS

WARM_UP_S = 1.0
ITEM = Item(sku="85123A", quantity=6, unit_price_minor=255)
CODEC = event_codec(committed_registry(), ORDERS_EVENTS)


def created(order_id: str) -> Event:
    event_id, now = str(uuid4()), time.time_ns() // 1_000
    return OrderCreated(
        event_id=event_id,
        order_id=order_id,
        version=1,
        occurred_at=now,
        correlation_id=event_id,
        causation_id=event_id,
        customer_id="12923",
        currency="GBP",
        reference="569901",
        items=(ITEM,),
        fulfilment="choreography",
        placed_at=now,
    )


async def as_fast_as_possible(dsn: str, writers: int, seconds: float) -> float:
    """Events a second by so many writers in one process, each event in a stream of its own, encoded on the way."""
    done = 0
    stop = asyncio.Event()

    async def write() -> None:
        nonlocal done
        while not stop.is_set():
            await append(store, str(uuid4()))
            done += 1

    async with _store(dsn) as store:
        writing = [asyncio.create_task(write()) for _ in range(writers)]
        await asyncio.sleep(WARM_UP_S)
        before, begin = done, time.perf_counter()
        await asyncio.sleep(seconds)
        rate = (done - before) / (time.perf_counter() - begin)
        stop.set()
        await asyncio.gather(*writing)
    return rate


def _store(dsn: str) -> PostgresEventStore:
    """One in a process that is set up as the API is."""
    collect_less()
    return PostgresEventStore(dsn, CODEC)


async def append(store: PostgresEventStore, order_id: str) -> None:
    await store.append(order_id, 0, [created(order_id)], command_id=uuid4())


async def at_a_rate(
    dsn: str, rate: float, seconds: float, appended: Callable[[str, float], None] = lambda order_id, at: None
) -> list[float]:
    """Milliseconds from when each append was due to its outcome. `appended` is told of the order and that moment."""
    delays: list[float] = []

    async def write(store: PostgresEventStore, due: float) -> None:
        order_id = str(uuid4())
        await append(store, order_id)
        at = time.perf_counter()
        delays.append((at - due) * 1000)
        appended(order_id, at)

    async with _store(dsn) as store, asyncio.TaskGroup() as writing:
        begin = time.perf_counter() + WARM_UP_S
        for number in range(int(rate * seconds)):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writing.create_task(write(store, due))
    return delays
