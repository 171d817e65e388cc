"""How long an order takes from its command to its confirmation through all services: `python -m bench.hops`.

Offered at several rates to the whole system of `orderflow demo`; the end is `OrderConfirmed` in `orders.events`, read
committed: API, event store, relay, payments, inventory, shipping, fulfilment, event store and relay again.
"""

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Message

from app.cli.produce import receive_needed
from app.cli.producing.generator import generate, mix_of
from app.cli.producing.orders import PlannedOrder, needed_stock
from app.cli.producing.placing import place_orders
from app.config import Settings
from app.domain.events import OrderConfirmed
from app.observability.log import setup
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from bench import reporting
from bench.latency import Seen, at_the_end, percentiles, read
from bench.whole import whole_system

RATES = (50, 200, 500)
AT_ONCE = 128


async def measured(settings: Settings, rate: int, seconds: float) -> dict[str, Any]:
    """One rate, of orders that nobody refuses."""
    count = int(rate * seconds)
    generated = generate(2 * count, 1, run=f"at-{rate}", orchestrated=0)
    orders = [order for order in generated if mix_of([order])["plain"]][:count]
    await receive_needed(settings, f"bench-{rate}", needed_stock(orders))
    seen: Seen = {}
    consumer = at_the_end(settings.kafka, ORDERS_EVENTS)
    reading = threading.Thread(target=read, args=(consumer, count, seen, _confirms()))
    reading.start()
    began: list[float] = []
    await place_orders(settings.api, _told(orders, began), concurrency=AT_ONCE, rate=rate)
    await asyncio.to_thread(reading.join)
    due = {order.order_id.encode(): began[0] + index / rate for index, order in enumerate(orders)}
    found = percentiles("hops", 1, [(seen[key] - at) * 1000 for key, at in due.items() if key in seen])
    return {
        "orders/s offered": rate,
        "orders": count,
        "unconfirmed": count - len(seen),
        "p50 ms": round(found.p50_ms),
        "p99 ms": round(found.p99_ms),
        "max ms": round(found.max_ms),
    }


def _told(orders: list[PlannedOrder], began: list[float]) -> Iterator[PlannedOrder]:
    began.append(time.monotonic())
    yield from orders


def _confirms() -> Any:
    codec = event_codec(committed_registry(), ORDERS_EVENTS)

    def is_confirmation(message: Message) -> bool:
        return isinstance(codec.decode(message.value()), OrderConfirmed)

    return is_confirmation


async def _all(rates: list[int], seconds: float) -> list[dict[str, Any]]:
    async with whole_system() as system:
        return [await measured(system.settings, rate, seconds) for rate in rates]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rates", type=lambda text: [int(rate) for rate in text.split(",")], default=list(RATES))
    parser.add_argument("--seconds", type=float, default=30.0)
    asked, on = parser.parse_args(), reporting.machine()
    setup("warning")
    figures = asyncio.run(_all(asked.rates, asked.seconds))
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "hops", on, figures))


if __name__ == "__main__":
    main()
