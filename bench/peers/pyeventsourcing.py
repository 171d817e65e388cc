"""pyeventsourcing in its default mode: `append WRITERS SECONDS` and `rehydrate EVENTS`, each printed as one JSON line.

Its store is asked as its users' applications ask it: one recorder for all threads, a pool with a connection for each.
Where PostgreSQL is stands in the environment that it reads by itself.
"""

import json
import os
import sys
import threading
import time
from typing import Any
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

PAYLOAD_BYTES = 220
WARM_UP_S = 1.0


def append(writers: int, seconds: float) -> dict[str, Any]:
    """Events a second by so many threads, each event in a stream of its own."""
    factory: Any = InfrastructureFactory.construct(Environment("bench", dict(os.environ)))
    recorder = factory.application_recorder()
    state, counts, stop = b"x" * PAYLOAD_BYTES, [0] * writers, threading.Event()
    delays: list[float] = []

    def write(number: int) -> None:
        while not stop.is_set():
            begin = time.perf_counter()
            stored = StoredEvent(originator_id=uuid4(), originator_version=1, topic="bench:Created", state=state)
            recorder.insert_events([stored])
            counts[number] += 1
            delays.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S)
    before, begin = sum(counts), time.perf_counter()
    delays.clear()
    time.sleep(seconds)
    done, took = sum(counts) - before, time.perf_counter() - begin
    stop.set()
    for thread in threads:
        thread.join()
    return {"rate": done / took, "p99_ms": sorted(delays)[int(len(delays) * 0.99)] * 1000}


class Basket(Aggregate):
    """What an order is, with items alone."""

    @event("Created")
    def __init__(self, customer_id: str) -> None:
        self.customer_id = customer_id
        self.items: list[tuple[str, int, int]] = []

    @event("ItemAdded")
    def add(self, sku: str, quantity: int, unit_price_minor: int) -> None:
        self.items.append((sku, quantity, unit_price_minor))


def rehydrate(events: int) -> dict[str, Any]:
    """Seconds to have an aggregate again from all its events, the least of five times."""
    shop = Application[Any](env=dict(os.environ))
    basket = Basket("12923")
    for _ in range(events - 1):
        basket.add("85123A", 6, 255)
    shop.save(basket)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        again: Any = shop.repository.get(basket.id)
        times.append(time.perf_counter() - begin)
        if len(again.items) != events - 1:
            raise SystemExit("it has other items than were added")
    return {"seconds": min(times)}


def main() -> None:
    what, number, *seconds = sys.argv[1:]
    measured = append(int(number), float(seconds[0])) if what == "append" else rehydrate(int(number))
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
