"""A steady load of orders' events, written as the relay writes them, and the list of what was acknowledged."""

import random
import threading
import time
from typing import Any
from uuid import UUID

from confluent_kafka import Producer

from app.domain.events import Event, Item, ItemAdded, OrderCancelled, OrderConfirmed, OrderCreated
from app.serde.cloudevents import headers
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from tests.waiting import PATIENCE_S

FIRST_US = 1_767_225_600_000_000
DAY_US = 86_400_000_000
TURN_S = 0.05
WAITING = 20_000


class Stream:
    """Endless events of `orders` orders at a time; one that ends makes room for a new one. The same for each seed."""

    def __init__(self, seed: int, orders: int) -> None:
        self._chance = random.Random(seed)
        self._open = [self._new() for _ in range(orders)]

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    def _new(self) -> tuple[str, str, int]:
        return self._id(), f"customer-{self._chance.randrange(200)}", 0

    def next(self) -> Event:
        place = self._chance.randrange(len(self._open))
        order_id, customer, version = self._open[place]
        ends = version > 1 and self._chance.random() < 0.02
        self._open[place] = self._new() if ends else (order_id, customer, version + 1)
        return self._event(order_id, customer, version + 1, ends=ends)

    def _event(self, order_id: str, customer: str, version: int, *, ends: bool) -> Event:
        chance, event_id = self._chance, self._id()
        at = FIRST_US + chance.randrange(5) * DAY_US + version
        envelope: Any = {
            "event_id": event_id,
            "order_id": order_id,
            "version": version,
            "occurred_at": at,
            "correlation_id": event_id,
            "causation_id": event_id,
            "customer_id": customer,
        }
        if ends and chance.random() < 0.5:
            return OrderCancelled(**envelope, reason="no longer wanted")
        if ends:
            return OrderConfirmed(**envelope, currency="GBP", total_minor=0)
        item = Item(sku=f"sku-{chance.randrange(50)}", quantity=chance.randrange(1, 5), unit_price_minor=1999)
        envelope |= {"currency": "GBP", "fulfilment": "choreography"}
        if version == 1:
            return OrderCreated(**envelope, reference=f"R-{order_id[:8]}", items=(item,), placed_at=at)
        return ItemAdded(**envelope, item=item)


class Load:
    """Sends a stream in the background while it is entered. `acknowledged`: (order, version) in no certain order."""

    def __init__(self, bootstrap: str, stream: Stream, rate: int) -> None:
        self.acknowledged: list[tuple[str, int]] = []
        self.lost: list[str] = []
        self.sent = 0
        self._stream, self._rate = stream, rate
        self._codec = event_codec(committed_registry(), ORDERS_EVENTS)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        """Until so many events were sent."""
        while self.sent < count and self._thread.is_alive():
            time.sleep(TURN_S)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._end.wait(TURN_S):
            due = int((time.monotonic() - began) * self._rate) - self.sent
            for _ in range(min(due, WAITING) if len(self._producer) < WAITING else 0):
                self._send(self._stream.next())
            self._producer.poll(0)
        left = self._producer.flush(PATIENCE_S)
        if left:
            self.lost.append(f"{left} events had no answer for {PATIENCE_S:.0f} s")

    def _send(self, event: Event) -> None:
        def answered(error: Any, _: Any) -> None:
            if error is None:
                self.acknowledged.append((event.order_id, event.version))
            else:
                self.lost.append(f"{event.order_id} version {event.version}: {error}")

        self.sent += 1
        key, value = self._codec.key(event), self._codec.encode(event)
        self._producer.produce(ORDERS_EVENTS, value, key, headers=headers(event), on_delivery=answered)
