"""Runs topologies without a broker: in-memory topics, a virtual clock, the same tasks, agents and failure boundary.

What `TopologyTestDriver` is to Kafka Streams. Several topologies share the topics, so a whole system can be coupled.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

from aiokafka.partitioner import murmur2

from app.streaming.record import Output, Record, RecordBatch
from app.streaming.task import Task
from app.streaming.topology import TaskBatch, Topology

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
ROUNDS = 10_000


class MemoryStore:
    """Committed rows of one task."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return [self._rows.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        found = sorted(key for key in self._rows if key.startswith(prefix) and (after is None or key > after))
        return ((key, self._rows[key]) for key in found)

    def write(self, rows: dict[bytes, bytes | None]) -> None:
        for key, data in rows.items():
            if data is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = data


class _Delivery:
    """A batch on its way through an agent."""

    def __init__(self, task: Task, batch: RecordBatch) -> None:
        self._task, self._batch = task, batch

    def deliver(self) -> None:
        self._task.take(self._batch)


class Driver:
    """Pipe records in, `run` or `advance` the clock, and look at topics and rows. Close it, or use it as a context."""

    def __init__(self, topologies: Sequence[Topology], *, partitions: int = 1) -> None:
        self.now_us = START_US
        self.topics: dict[str, list[list[Record]]] = {}
        self._partitions = partitions
        self._runner = asyncio.Runner()
        self._tasks = [Task(topology, p, lambda: self.now_us) for topology in topologies for p in range(partitions)]
        self._stores = {id(task): MemoryStore() for task in self._tasks}
        self._runner.run(self._open())

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._runner.run(self._close())
        self._runner.close()

    async def _open(self) -> None:
        for task in self._tasks:
            task.open(self._stores[id(task)], dict.fromkeys(task.topology.input_topics, 0))

    async def _close(self) -> None:
        for task in self._tasks:
            task.close()

    def pipe(self, output: Output) -> Record:
        """Append a message to its topic, as a producer of the system would."""
        partition = output.partition
        if partition < 0:
            partition = (murmur2(output.key) & 0x7FFFFFFF) % self._partitions if output.key is not None else 0
        log = self._log(output.topic)[partition]
        at_ms = output.timestamp_ms or self.now_us // 1000
        record = Record(output.topic, partition, len(log), at_ms, output.key, output.value, output.headers)
        log.append(record)
        return record

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition."""
        return [record for log in self._log(topic) for record in log]

    def rows(self, topology: str, table: str) -> dict[bytes, Any]:
        """The committed rows of a table, of all tasks."""
        found = {}
        for task in self._tasks:
            if task.topology.name == topology:
                spec = task.state.tables[table].spec
                for key, data in self._stores[id(task)].scan(spec.prefix):
                    found[key[len(spec.prefix) :]] = spec.decode(data)
        return found

    def run(self) -> None:
        """Until nothing more happens at the present time."""
        self._runner.run(self._until_quiet())

    def advance(self, by: timedelta) -> None:
        """Let time pass, stopping wherever something is due on the way."""
        until = self.now_us + int(by.total_seconds() * 1_000_000)
        self.run()
        while (due := self._next_due()) is not None and due <= until:
            self.now_us = max(self.now_us, due)
            self.run()
        self.now_us = until
        self.run()

    def crash(self) -> None:
        """Every task loses what no checkpoint has committed, and begins again."""
        self._runner.run(self._reset_all())

    async def _reset_all(self) -> None:
        for task in self._tasks:
            task.open(self._stores[id(task)], task.state.durable)

    async def _until_quiet(self) -> None:
        for _ in range(ROUNDS):
            if not any([await self._turn(task) for task in self._tasks]):
                return
        raise TimeoutError(f"the topologies did not come to rest within {ROUNDS} rounds")

    async def _turn(self, task: Task) -> bool:
        """Deliver what is there, do what is due, and commit; whether anything happened."""
        for topic in task.topology.input_topics:
            await self._deliver(task, topic)
        task.tick()
        if task.timers_wait_for_ends():
            ends = {topic: len(self._log(topic)[task.partition]) for topic in task.topology.sources}
            task.ends_are(ends, self.now_us)
        task.fire_timers()
        await task.runner.settle()
        happened = task.is_dirty()
        if happened:
            self._commit(task)
        task.runner.resume()
        return happened

    async def _deliver(self, task: Task, topic: str) -> None:
        log, begin = self._log(topic)[task.partition], task.taken[topic]
        if begin == len(log):
            return
        delivery = _Delivery(task, RecordBatch.of(topic, task.partition, begin, len(log), log[begin:]))
        for agent in task.topology.agents:
            await agent(_one(delivery))

    def _commit(self, task: Task) -> None:
        snapshot = task.state.snapshot()
        for output in snapshot.outputs:
            self.pipe(output)
        self._stores[id(task)].write(snapshot.stored_rows())
        task.state.persisted(snapshot)

    def _next_due(self) -> int | None:
        due = [delayed.next_due_ms() for task in self._tasks for delayed in task.delayed.values()]
        times = [at * 1000 for at in due if at is not None]
        times += [at for task in self._tasks if task.timers is not None and (at := task.timers.next_due()) is not None]
        later = [at for at in times if at > self.now_us]
        return min(later, default=None)

    def _log(self, topic: str) -> list[list[Record]]:
        return self.topics.setdefault(topic, [[] for _ in range(self._partitions)])


async def _one(delivery: TaskBatch) -> AsyncIterator[TaskBatch]:
    yield delivery
