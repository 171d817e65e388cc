"""Events as the product writes them, for a measurement: many orders, their versions in order, orders interleaved."""

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from confluent_kafka import Producer

from app.domain.events import Event, Item, ItemAdded, OrderCreated
from app.serde.cloudevents import headers
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS

FIRST_US = 1_767_225_600_000_000
FLUSH_S = 120.0


class OrderLog:
    """The same events of many orders at every run: its first creates one with `items`, each later adds an item."""

    def __init__(self, orders: int, items: int = 2) -> None:
        self._chance = random.Random(42)  # noqa: S311 - the same log at every run
        self._ids = [str(UUID(int=self._chance.getrandbits(128), version=4)) for _ in range(orders)]
        self._versions = [0] * orders
        self._count, self._items = 0, items

    def interleaved(self, count: int) -> Iterator[Event]:
        """The next `count` events, each of any order."""
        for _ in range(count):
            yield self._next(self._chance.randrange(len(self._ids)))

    def one_each(self, count: int) -> Iterator[Event]:
        """The next event of `count` different orders."""
        for order in self._chance.sample(range(len(self._ids)), count):
            yield self._next(order)

    def _next(self, order: int) -> Event:
        self._versions[order] += 1
        self._count += 1
        at = FIRST_US + self._count * 1000
        return _event(self._chance, self._ids[order], order, self._versions[order], at, self._items)


def order_events(count: int, orders: int) -> Iterator[Event]:
    """`count` events of `orders` orders."""
    return OrderLog(orders).interleaved(count)


def _event(chance: random.Random, order_id: str, order: int, version: int, at: int, count: int) -> Event:
    event_id = str(UUID(int=chance.getrandbits(128), version=4))
    items = tuple(
        Item(sku=f"SKU-{chance.randrange(1000):05d}", quantity=chance.randrange(1, 5), unit_price_minor=1999)
        for _ in range(count)
    )
    envelope: Any = {
        "event_id": event_id,
        "order_id": order_id,
        "version": version,
        "occurred_at": at,
        "correlation_id": event_id,
        "causation_id": event_id,
        "customer_id": f"customer-{order % 5000:06d}",
        "currency": "GBP",
        "fulfilment": "choreography",
    }
    if version == 1:
        return OrderCreated(**envelope, reference=f"R-{order}", items=items, placed_at=at)
    return ItemAdded(**envelope, item=items[0])


def produce(bootstrap: str, events: Iterator[Event]) -> int:
    """Write them to `orders.events` as the relay does; answers how many."""
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,  # else a batch that is sent again can overtake the one after it
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
        }
    )
    count = 0
    for event in events:
        value, key = codec.encode(event), codec.key(event)
        while True:
            try:
                producer.produce(ORDERS_EVENTS, value, key, headers=headers(event))
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
    if left := producer.flush(FLUSH_S):
        raise TimeoutError(f"{left} of {count} events were not taken within {FLUSH_S} s")
    return count
