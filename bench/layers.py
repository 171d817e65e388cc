"""What one event costs in each layer of the hot path, and what the floor is: `python -m bench.layers`.

Each layer is the product's own code, run by itself over the same events; its floor is the least that the step costs
with the library below it. The threads of the Kafka client are told apart.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from app.allocation import collect_less
from app.config import Settings
from app.domain.events import Event
from app.projections import order_summaries
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.kafka.checkpoint import Transactions
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import BATCH, Fetcher
from app.streaming.memory import StateMemory
from app.streaming.names import dlq_topic
from app.streaming.record import RecordBatch
from app.streaming.state import Snapshot
from app.streaming.store import Store
from app.streaming.task import Task
from bench import reporting, summaries
from bench.events import OrderLog, produce
from bench.running import PARTITIONS, broker
from topologies.order_views import SUMMARIES

A_CHECKPOINT = 100_000  # events: about what a commit interval takes in
ROWS_MB = 256


class Spent:
    """Seconds of the thread that works, and of all other threads of the process."""

    def __init__(self) -> None:
        self.here = self.others = 0.0

    def during(self, work: Callable[[], Any]) -> Any:
        began = time.thread_time(), time.process_time()
        result = work()
        self._add(*began)
        return result

    async def until(self, work: Awaitable[Any]) -> Any:
        began = time.thread_time(), time.process_time()
        result = await work
        self._add(*began)
        return result

    def _add(self, here: float, process: float) -> None:
        spent = time.thread_time() - here
        self.here += spent
        self.others += max(0.0, time.process_time() - process - spent)


class Layers:
    """Costs by layer, in the order in which an event goes through them; `floors` has the same names."""

    def __init__(self, bootstrap: str, directory: Path, events: list[Event]) -> None:
        self._codec = event_codec(committed_registry(), ORDERS_EVENTS)
        self._events = events
        self._values = [self._codec.encode(event) for event in events]
        self._topology = summaries.build(Settings())
        self._clients = Clients(bootstrap, self._topology.group)
        self._bootstrap, self._directory = bootstrap, directory
        self.spent: dict[str, Spent] = {}
        self.floors: dict[str, Spent] = {}
        topics.apply(bootstrap, self._topology.topics(), PARTITIONS, 1)

    async def fetch(self) -> None:
        """The floor asks for messages and drops them."""
        fetcher, fetched = Fetcher(self._clients.fetcher()), 0
        for partition in range(PARTITIONS):
            fetcher.assign(partition, {ORDERS_EVENTS: 0})
        spent = self.spent["fetch"] = Spent()
        while fetched < len(self._events):
            fetched += sum(len(batch) for batch in await spent.until(fetcher.fetch(_raise)))
        await fetcher.close()
        consumer, floor, dropped = self._clients.fetcher(), Spent(), 0
        consumer.assign([TopicPartition(ORDERS_EVENTS, partition, 0) for partition in range(PARTITIONS)])
        while dropped < len(self._events):
            dropped += floor.during(lambda: sum(not m.error() for m in consumer.consume(BATCH, 0.1)))
        consumer.close()
        self.floors["fetch"] = floor

    def decode(self) -> None:
        """The floor makes the same events of fields that are at hand."""
        self.spent["decode"], self.floors["decode"] = Spent(), Spent()
        self.spent["decode"].during(lambda: _each(self._codec.decode, self._values))
        fields = [(type(event), msgspec.structs.asdict(event)) for event in self._events]
        self.floors["decode"].during(lambda: _each(lambda of: of[0](**of[1]), fields))

    async def task(self) -> None:
        """From a batch to what is durable, a checkpoint at a time."""
        store, task = Store(self._directory / "store", StateMemory(ROWS_MB)), Task(self._topology, 0, lambda: 0)
        task.open(store, dict.fromkeys(self._topology.input_topics, 0))
        transactions = Transactions(self._clients.producer("bench-layers"), self._clients.offsets(), 0, "")
        await asyncio.to_thread(transactions.begin_ownership, dlq_topic(self._topology.group))
        taken, sent, written = (self.spent.setdefault(name, Spent()) for name in ("fold", "transaction", "store"))
        for batches in self._checkpoints():
            taken.during(lambda: [task.take(batch) for batch in batches])  # noqa: B023 - called at once
            snapshot: Snapshot = task.state.snapshot()
            await sent.until(transactions.commit(snapshot))
            written.during(lambda: store.write(snapshot.stored_rows(), {}))  # noqa: B023
            task.state.persisted(snapshot)
        transactions.retire()
        store.close()

    def task_floors(self) -> None:
        """The product's decoder and fold over a dictionary of stored rows; the same rows by a plain producer."""
        rows: dict[str, bytes] = {}
        producer = Producer({"bootstrap.servers": self._bootstrap, "compression.type": "lz4", "linger.ms": 2})
        folded, sent = (self.floors.setdefault(name, Spent()) for name in ("fold", "transaction"))
        for batches in self._checkpoints():
            folded.during(lambda: _each(partial(self._fold, rows), [v for batch in batches for v in batch.values]))  # noqa: B023
            changed = {key.decode() for batch in batches for key in batch.keys if key}
            data = {key: rows[key] for key in changed}
            sent.during(lambda: _produce(producer, self._topology.changelog(SUMMARIES.name), data))  # noqa: B023

    def _fold(self, rows: dict[str, bytes], value: bytes) -> None:
        event: Any = self._codec.decode(value)
        old = rows.get(event.order_id)
        new = order_summaries.fold(None if old is None else SUMMARIES.decode(old), event)
        rows[event.order_id] = SUMMARIES.encode(new)

    def _checkpoints(self) -> Iterator[list[RecordBatch]]:
        keys = [self._codec.key(event) for event in self._events]
        for first in range(0, len(keys), A_CHECKPOINT):
            starts = range(first, min(first + A_CHECKPOINT, len(keys)), BATCH)
            yield [self._batch(keys, start, min(start + BATCH, len(keys))) for start in starts]

    def _batch(self, keys: list[bytes], start: int, end: int) -> RecordBatch:
        return RecordBatch(ORDERS_EVENTS, 0, start, end, keys[start:end], self._values[start:end], _no_record)


def _each(call: Callable[[Any], Any], values: list[Any]) -> None:
    for value in values:
        call(value)


def _produce(producer: Producer, topic: str, rows: dict[str, bytes]) -> None:
    for key, data in rows.items():
        producer.produce(topic, data, key)
    producer.flush()


def _no_record(index: int) -> Any:
    raise AssertionError(f"record {index} was looked at: the hot path reads columns alone")


def _raise(topic: str, partition: int, error: KafkaError) -> None:
    raise KafkaException(error)


async def measured(count: int, orders: int) -> list[dict[str, Any]]:
    events = list(OrderLog(orders).interleaved(count))
    collect_less()
    with broker() as bootstrap, tempfile.TemporaryDirectory(prefix="orderflow-bench-") as directory:
        produce(bootstrap, iter(events))
        layers = Layers(bootstrap, Path(directory), events)
        await layers.fetch()
        layers.decode()
        await layers.task()
        layers.task_floors()
    return [
        {"layer": name, **_micros(spent, count, ""), **_micros(layers.floors.get(name), count, "floor ")}
        for name, spent in layers.spent.items()
    ]


def _micros(spent: Spent | None, count: int, name: str) -> dict[str, float | str]:
    """Microseconds an event."""
    if spent is None:
        return {f"{name}us": "", f"{name}client's threads us": ""}
    return {
        f"{name}us": round(spent.here / count * 1e6, 2),
        f"{name}client's threads us": round(spent.others / count * 1e6, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--orders", type=int, default=50_000)
    asked, on = parser.parse_args(), reporting.machine()
    figures = asyncio.run(measured(asked.events, asked.orders))
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "layers", on, figures))


if __name__ == "__main__":
    main()
