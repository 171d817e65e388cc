"""orderflow as it is shipped: a worker of `order_summaries` that, beside its work, looks at itself.

Several that share the work begin when all are members of the group; the records that the client may have fetched while
it waited are no part of what is measured.
"""

import asyncio
import threading
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import msgspec
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from app.config import Settings, load
from app.embedded.ports import free_ports
from app.observability.log import setup
from app.streaming.errors import TopicError
from app.streaming.faust.app import App, Membership
from app.streaming.faust.process import serve
from app.streaming.kafka import topics
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.status import WorkerStatus
from app.streaming.names import group_id
from app.streaming.reader import Reader
from app.streaming.topology import TaskBatch, Topology
from bench import summaries
from bench.peers.meter import Meter
from bench.peers.work import arguments

AHEAD_OF_A_TASK = 6_000  # what the client queues, and what is on its way to the task
LOOK_S = 0.02

Tasks: TypeAlias = list[dict[str, Any]]
Look: TypeAlias = Callable[[Tasks], bool]


class Catching:
    """Measures from the first batch to the moment when every task that it owns is committed to the end of the log."""

    def __init__(self, asked: Namespace, settings: Settings) -> None:
        self._asked, self._members = asked, max(1, len(asked.addresses))
        self._ends = _ends(settings, asked.topic)
        self._together = self._members == 1
        self._ahead = 0 if self._together else AHEAD_OF_A_TASK * -(-len(self._ends) // self._members)
        self.meter = Meter(max(1, asked.events // self._members - self._ahead))

    async def watched(self, batches: AsyncIterator[TaskBatch]) -> AsyncIterator[TaskBatch]:
        ahead = self._ahead
        async for batch in batches:
            if not self._together:
                await asyncio.to_thread(self._wait_for_the_others)
            delivered: Any = batch
            count = len(delivered.batch)
            if ahead <= 0:
                self.meter.begin()
            yield batch
            if ahead <= 0:
                self.meter.add(count)
            ahead -= count

    def _wait_for_the_others(self) -> None:
        admin, group = AdminClient({"bootstrap.servers": self._asked.bootstrap}), self._asked.group
        while not self._together:
            told = admin.describe_consumer_groups([group])[group].result()
            self._together = told.state.name == "STABLE" and len(told.members) == self._members
            time.sleep(LOOK_S)

    def is_done(self, tasks: Tasks) -> bool:
        if not self._together or len(tasks) < len(self._ends) // self._members:
            return False
        topic = self._asked.topic
        return all(task["positions"].get(topic, 0) >= self._ends[task["partition"]] for task in tasks)


def _ends(settings: Settings, topic: str) -> list[int]:
    consumer: Consumer = Clients(settings.kafka, "bench").offsets()
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), 15.0)[1] for p in range(settings.partitions)]
    consumer.close()
    return ends


def settings_of(asked: Namespace) -> Settings:
    host, _, port = asked.addresses[asked.process].partition(":") if asked.addresses else ("127.0.0.1", "", "0")
    return msgspec.structs.replace(
        load(),
        kafka=asked.bootstrap,
        commit_interval_ms=asked.interval_ms,
        data=asked.directory,
        name=f"worker-{asked.process}",
        host=host,
        port=int(port) or free_ports(0)[0],
    )


def run(topology: Topology, settings: Settings, meter: Meter, is_done: Look) -> None:
    """Serve until SIGTERM; the measure is printed when `is_done`."""
    _make_topics(topology, settings)
    membership = Membership(
        bootstrap=settings.kafka,
        name=settings.name,
        url=f"http://{settings.host}:{settings.port}",
        host=settings.host,
        port=settings.port,
        partitions=settings.partitions,
        session_timeout_s=settings.session_timeout,
        directory=settings.data,
        standbys=settings.standbys,
        state_memory_mb=settings.state_memory_mb,
        state_keep_s=settings.state_keep,
    )

    def look(status: WorkerStatus) -> None:
        while not is_done(_tasks(status)):
            time.sleep(LOOK_S)
        meter.report()

    def pages(app: App, reader: Reader, status: WorkerStatus) -> None:
        threading.Thread(target=look, args=(status,), daemon=True).start()

    interval_s = settings.commit_interval_ms / 1000
    asyncio.run(serve(topology, membership, pages, interval_s=interval_s, start="earliest"))


def _make_topics(topology: Topology, settings: Settings) -> None:
    topics.apply(settings.kafka, topology.topics(), settings.partitions, settings.replication)
    while True:
        try:
            topics.check(settings.kafka, topology.topics(), settings.partitions)
        except TopicError:  # made, but a busy broker does not yet tell of them
            time.sleep(LOOK_S)
        else:
            return


def _tasks(status: WorkerStatus) -> Tasks:
    try:
        told: Any = status.tasks()["tasks"]
    except RuntimeError:  # the tasks changed while they were read in another thread
        return []
    tasks: Tasks = told
    return tasks


def main() -> None:
    asked = arguments()
    setup("warning")
    settings = settings_of(asked)
    catching = Catching(asked, settings)
    topology = summaries.build(settings, asked.group.removeprefix(group_id("")), catching.watched)
    run(topology, settings, catching.meter, catching.is_done)


if __name__ == "__main__":
    main()
