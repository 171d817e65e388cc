"""A provider that is down while orders come in: what it costs. `python -m tests.e2e.outage` runs the long form.

Long form: the capacity of the whole system is measured first, orders ended a second; then the provider is down for a
minute while orders come in at 70 % of that.
"""

import math
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import msgspec

from app.domain.events import OrderConfirmed
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.errors import RetryRecordError
from app.streaming.failures import read_delivery
from app.streaming.kafka.messages import to_record
from app.streaming.names import dlq_topic, group_id, retry_topic
from tests.e2e.whole_system import ITEM, WholeSystem
from tests.waiting import until

PAYMENTS = group_id("payments")
CLIENTS = 8
CAPACITY_ORDERS, SHARE, OUTAGE_S = 2_000, 0.7, 60.0
ENOUGH = 1_000_000


class Cost(msgspec.Struct, frozen=True):
    """`failed`: attempts that failed, as the retry topics tell; `spent`: those of them that count, `most` at most."""

    orders: int
    outage_s: float
    rate: float
    failed: int
    spent: int
    most: int
    dead: int
    confirmed: int
    ended_after_s: float

    @property
    def is_as_promised(self) -> bool:
        return self.spent <= self.most and self.dead == 0 and self.confirmed == self.orders


def outage(system: WholeSystem, seconds: float, rate: float, orders: int) -> Cost:
    """The provider is down from now on, while orders come in at `rate` a second."""
    dead, before = letters(system), failures(system)
    system.plant(system.settings.provider, "unavailable", seconds=seconds)
    back_at = time.time() + seconds
    placed = place(system, orders, rate)
    confirmed = confirmations(system, placed)
    after = failures(system)
    return Cost(
        orders=orders,
        outage_s=seconds,
        rate=round(rate, 1),
        failed=len(after) - len(before),
        spent=sum([failure[-1] > 1 for failure in set(after) - set(before)]),
        most=2 * system.settings.brake_keys,
        dead=letters(system) - dead,
        confirmed=len(confirmed),
        ended_after_s=round(max(confirmed) - back_at, 1),
    )


def capacity(system: WholeSystem, orders: int) -> float:
    """Orders a second, from the first one placed to the last one confirmed."""
    began = time.time()
    confirmed = confirmations(system, place(system, orders, rate=math.inf))
    return len(confirmed) / (max(confirmed) - began)


def place(system: WholeSystem, orders: int, rate: float) -> list[str]:
    """At that rate, or as fast as the API takes them."""
    began = time.monotonic()

    def at_its_time(number: int) -> str:
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        return system.place(str(uuid4()))

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(at_its_time, range(orders)))


def confirmations(system: WholeSystem, orders: list[str]) -> list[float]:
    """When each of them was confirmed, in seconds since the epoch; returns once all are."""
    waited_for = list(orders)

    def all_are() -> bool:
        while waited_for and system.order(waited_for[-1])["status"] == "confirmed":
            waited_for.pop()
        return not waited_for

    until(all_are, "all orders are confirmed")
    codec, wanted = event_codec(committed_registry(), ORDERS_EVENTS), {order_id.encode() for order_id in orders}
    messages = [message for message in system.topics.records(ORDERS_EVENTS) if message.key() in wanted]
    events = [codec.decode(message.value()) for message in messages]
    return [event.occurred_at / 1_000_000 for event in events if isinstance(event, OrderConfirmed)]


def failures(system: WholeSystem) -> list[tuple[str, int, int, int]]:
    """Every failed attempt that the retry topics tell of: its record, and the number of the next attempt."""
    found = []
    for delay_ms in system.settings.retry_delays_ms:
        for message in system.topics.records(retry_topic(PAYMENTS, delay_ms)):
            with suppress(RetryRecordError):  # hostile records are in these topics, too
                delivery = read_delivery(to_record(message))
                record = delivery.record
                found.append((record.topic, record.partition, record.offset, delivery.attempt.number))
    return found


def letters(system: WholeSystem) -> int:
    return len(system.topics.records(dlq_topic(PAYMENTS)))


def main() -> None:
    """Print what a minute costs; ends with 1 when it is more than promised."""
    directory = Path(tempfile.mkdtemp())
    system = WholeSystem(directory)
    try:
        system.wait_until_it_stays_up()
        system.ask("produce", "stock", "--item", f"{ITEM['sku']}={ENOUGH}")
        measured = capacity(system, CAPACITY_ORDERS)
        rate = SHARE * measured
        cost = outage(system, OUTAGE_S, rate, int(rate * (OUTAGE_S + 10)))
        print(f"capacity {measured:.0f} orders/s; {msgspec.json.encode(cost).decode()}")  # noqa: T201
        if not cost.is_as_promised:
            sys.exit(1)
    finally:
        system.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
