"""How long an event takes from being offered to its row's changelog record, read committed."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from app.domain.events import Event
from app.errors import SetupError
from app.serde.cloudevents import headers
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from bench.running import LIMIT_S, PARTITIONS, Started

RATE = 2000
WARM_UP = 0.2  # of the events, at the beginning
PATIENCE_S = 30.0
REQUEST_S = 15.0

Seen: TypeAlias = dict[bytes, float]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    row: str
    round: int
    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure(started: Started, bootstrap: str, caught_up: int, events: Iterator[Event], round_number: int) -> Latency:
    """Offer `events`, each of another order, to processes that have caught up with the log so far."""
    _wait_until_committed(started, bootstrap, caught_up)
    offered, seen = _offer(bootstrap, started.changelog, list(events))
    return percentiles(started.row.name, round_number, [(seen[key] - at) * 1000 for key, at in offered.items()])


def percentiles(row: str, round_number: int, delays_ms: list[float]) -> Latency:
    """Of the delays in the order of offering, the warm-up left out."""
    measured = sorted(delays_ms[int(len(delays_ms) * WARM_UP) :])
    p50, p99, most = (measured[round((len(measured) - 1) * share)] for share in (0.5, 0.99, 1.0))
    return Latency(row=row, round=round_number, events=len(measured), p50_ms=p50, p99_ms=p99, max_ms=most)


def _wait_until_committed(started: Started, bootstrap: str, count: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": started.group})
    places = [TopicPartition(ORDERS_EVENTS, partition) for partition in range(PARTITIONS)]
    deadline = time.monotonic() + LIMIT_S
    done = 0
    while done < count:
        started.check()
        if time.monotonic() > deadline:
            raise SetupError(f"{started.row.title} has committed {done} of {count} events after {LIMIT_S:.0f} s")
        time.sleep(0.2)
        try:
            done = sum(max(0, place.offset) for place in consumer.committed(places, REQUEST_S))
        except KafkaException:  # the group has no coordinator yet
            continue
    consumer.close()


def _offer(bootstrap: str, changelog: str, events: list[Event]) -> tuple[Seen, Seen]:
    """When each key was due to be offered, and when its record was read."""
    seen: Seen = {}
    consumer = at_the_end(bootstrap, changelog)
    reading = threading.Thread(target=read, args=(consumer, len(events), seen))
    reading.start()
    offered = offer(bootstrap, events, RATE)
    reading.join()
    if missing := len(offered.keys() - seen.keys()):
        raise SetupError(f"{missing} of {len(offered)} offered events have no record in {changelog}")
    return offered, seen


def offer(bootstrap: str, events: Iterable[Event], rate: float) -> Seen:
    """Write the events to their topic, so many a second; answers when each key was due."""
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    records = [(codec.key(event), codec.encode(event), headers(event)) for event in events]
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    began = time.monotonic()
    offered: Seen = {}
    for index, (key, value, more) in enumerate(records):
        due = began + index / rate
        while (left := due - time.monotonic()) > 0:
            time.sleep(left)
        offered[key] = due  # not when it was sent: what waits here waits too
        producer.produce(ORDERS_EVENTS, value, key, headers=more)
        producer.poll(0)
    producer.flush()
    return offered


def at_the_end(bootstrap: str, topic: str) -> Consumer:
    """Reads what is committed from now on."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, REQUEST_S)[1]
    consumer.assign(places)
    return consumer


def read(consumer: Consumer, count: int, seen: Seen, wanted: Callable[[Message], bool] = lambda _: True) -> None:
    """When each key was first read, until all were or none has come for a while."""
    until = time.monotonic() + PATIENCE_S
    while len(seen) < count and time.monotonic() < until:
        first = consumer.poll(0.1)
        messages = [] if first is None else [first, *consumer.consume(1000, 0)]
        now = time.monotonic()
        for message in messages:
            if not message.error() and wanted(message):
                seen.setdefault(message.key(), now)
                until = now + PATIENCE_S
    consumer.close()
