"""A worker whose registry is down: a task that met an id it does not hold waits, others go on; it resumes by itself."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from uuid import UUID

import msgspec
import pytest

from app.config import Settings, dump
from app.domain.events import OrderCreated
from app.embedded import processes
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.embedded.registry import RegistryServer
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.registry_http import HttpRegistry
from app.serde.topics import ORDERS_EVENTS, subject_of
from app.streaming.kafka import topics
from app.streaming.names import dlq_topic, group_id
from tests.engine.log import Log
from tests.schema.sample_events import ORDER_CREATED
from tests.waiting import PATIENCE_S, until
from topologies import order_views

ROOT = Path(__file__).parents[2]

COMMITTED = committed_registry()
NEWEST = COMMITTED.newest(subject_of(OrderCreated))
FIELD = {"name": "channel", "type": ["null", "string"], "default": None}
NEWER = msgspec.structs.replace(
    NEWEST,
    id=len(COMMITTED.schemas()) + 1,
    version=NEWEST.version + 1,
    schema=NEWEST.schema | {"fields": [*NEWEST.schema["fields"], FIELD]},
)
GROUP = group_id(order_views.NAME)


class Worker:
    """One of `order-views`, with two partitions, and its servers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kafka, self.registry = KafkaServer(directory / "kafka"), RegistryServer(directory / "registry")
        self.processes: list[Any] = []

    def start(self) -> None:
        self.kafka.start()
        self.registry.start()
        http = HttpRegistry(self.registry.url)
        for schema in [*COMMITTED.schemas(), NEWER]:
            http.register(schema)
        self.settings = Settings(
            kafka=self.kafka.bootstrap,
            registry=self.registry.url,
            partitions=2,
            port=free_ports(0)[0],
            data=self.directory / "data",
        )
        self.topology = order_views.build(self.settings, COMMITTED)
        topics.apply(self.kafka.bootstrap, self.topology.topics(), self.settings.partitions, 1)
        self.log = Log(self.kafka.bootstrap)

    def run(self) -> None:
        words = [sys.executable, "-m", "app.cli", "worker", order_views.NAME]
        log = self.directory / "worker.log"
        self.processes.append(processes.start(words, directory=ROOT, log=log, environment=dump(self.settings)))

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.registry.stop()
        self.kafka.stop()

    def send(self, number: int, partition: int, *, newer: bool = False) -> None:
        event = msgspec.structs.replace(ORDER_CREATED, order_id=str(UUID(int=number)), version=1)
        registry = type(COMMITTED)([*COMMITTED.schemas(), NEWER]) if newer else COMMITTED
        value = event_codec(registry, ORDERS_EVENTS).encode(event)
        self.log.producer.produce(ORDERS_EVENTS, value, event.order_id.encode(), partition)
        assert self.log.producer.flush(PATIENCE_S) == 0

    def rows(self) -> set[int]:
        """The numbers of the orders that have a row."""
        rows = self.log.records(self.topology.changelog("order_summaries"), self.settings.partitions)
        return {UUID(row.key().decode()).int for row in rows}

    def states(self) -> list[str]:
        """What each task waits for."""
        try:
            with urlopen(f"http://127.0.0.1:{self.settings.port}/tasks", timeout=5) as answer:
                return [task["brake"] for task in json.load(answer)["tasks"]]
        except (HTTPError, URLError, OSError):
            return []

    def lags(self) -> list[int]:
        """By task: what each says that it is behind."""
        with urlopen(f"http://127.0.0.1:{self.settings.port}/tasks", timeout=PATIENCE_S) as answer:
            return [task["lag"] for task in json.load(answer)["tasks"]]

    def failed(self) -> int:
        """Records of the topics for failures."""
        names = [*self.topology.retry_topics, dlq_topic(GROUP)]
        return sum(len(self.log.records(name, self.settings.partitions)) for name in names)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()


def test_only_the_task_that_met_an_unknown_id_waits_and_it_goes_on_by_itself(worker: Worker) -> None:
    worker.send(1, 0)
    worker.send(2, 0, newer=True)
    worker.send(3, 0)
    worker.registry.stop()
    worker.run()
    until(lambda: worker.states() == ["paused", "open"], "the task waits")
    worker.send(4, 1)
    until(lambda: worker.rows() == {1, 4}, "the other task goes on")
    worker.send(5, 0)
    until(lambda: worker.lags()[0] >= 3, "what comes to a task that waits is told as lag")
    assert worker.states() == ["paused", "open"]
    worker.registry.start()
    until(lambda: worker.rows() == {1, 2, 3, 4, 5}, "all are handled")
    assert worker.states() == ["open", "open"]
    assert worker.failed() == 0
