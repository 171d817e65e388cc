"""Runs topologies without a broker: in-memory topics, a virtual clock, the same tasks, agents and failure boundary.

What `TopologyTestDriver` is to Kafka Streams. Several topologies share the topics, so a whole system can be coupled.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, Literal, TypeAlias, TypeVar

from aiokafka.partitioner import murmur2

from app.streaming.record import Output, Record, RecordBatch
from app.streaming.state import Snapshot
from app.streaming.task import Task
from app.streaming.topology import TaskBatch, Topology
from app.streaming.volatile import Durable

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
STEPS = 100_000

ResultT = TypeVar("ResultT")

# Where a task dies: its calls are under way; all is handled, nothing committed; the transaction is committed, the disk
# does not have it yet.
Death: TypeAlias = Literal["calling", "handled", "committed"]


class _Delivery:
    """A batch on its way through an agent."""

    def __init__(self, task: Task, batch: RecordBatch) -> None:
        self._task, self._batch = task, batch

    def deliver(self) -> None:
        self._task.take(self._batch)


class Driver:
    """Pipe records in, `run` or `advance` the clock, and look at topics and rows. Close it, or use it as a context.

    Tasks take turns, and each takes all that is there. With `random` the order of delivery is a seeded one: any task
    may be next, and it takes any number of records of any one of its topics.
    """

    def __init__(self, topologies: Sequence[Topology], *, partitions: int = 1, random: Random | None = None) -> None:
        self.now_us = START_US
        self.topics: dict[str, list[list[Record]]] = {}
        self._partitions, self._random = partitions, random
        self._runner = asyncio.Runner()
        self._tasks = [Task(topology, p, lambda: self.now_us) for topology in topologies for p in range(partitions)]
        self._durable = {task: Durable(dict.fromkeys(task.topology.input_topics, 0)) for task in self._tasks}
        self._stopped: set[str] = set()
        self._turns: list[Callable[[], Awaitable[bool]]] = [partial(self._turn, task) for task in self._tasks]
        self.do(self._open())

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.do(self._close())
        self._runner.close()

    async def _open(self) -> None:
        for task in self._tasks:
            self._begin(task)

    def _begin(self, task: Task) -> None:
        durable = self._durable[task]
        durable.restore()
        task.check(durable.store)
        task.open(durable.store, durable.positions)

    async def _close(self) -> None:
        for task in self._tasks:
            task.close()

    def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run what the caller has to await, on the loop of the tasks."""
        return self._runner.get_loop().run_until_complete(work)  # `run` costs as much as a step, for Ctrl-C's sake

    def also(self, turn: Callable[[], Awaitable[bool]]) -> None:
        """Let something beside the tasks take its turns with them, as a relay does; it says whether it did anything."""
        self._turns.append(turn)

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
                for key, data in self._durable[task].store.scan(spec.prefix):
                    found[key[len(spec.prefix) :]] = spec.decode(data)
        return found

    def run(self) -> None:
        """Until nothing more happens at the present time."""
        self.do(self._run())

    async def _run(self) -> None:
        for _ in range(STEPS):
            if not await self._step():
                return
        raise TimeoutError(f"the topologies did not come to rest within {STEPS} steps")

    def step(self) -> bool:
        """One turn of whoever is next and has something to do; False when nobody has."""
        return self.do(self._step())

    def advance(self, by: timedelta) -> None:
        """Let time pass, stopping wherever something is due on the way."""
        until = self.now_us + int(by.total_seconds() * 1_000_000)
        self.run()
        while (due := self._next_due()) is not None and due <= until:
            self.now_us = max(self.now_us, due)
            self.run()
        self.now_us = until
        self.run()

    def crash(self, *, topology: str = "", at: Death = "handled", wiped: bool = False) -> None:
        """Every task (of that topology) takes what comes next and dies at that step, and begins again. Before the
        commit all is as if never done, save for what the outside has seen of it. `wiped`: the disk is lost too."""
        running = [task for task in self._tasks if self._runs(task) and topology in {"", task.topology.name}]
        self.do(self._crash(running, at, wiped=wiped))

    async def _crash(self, tasks: Sequence[Task], at: Death, *, wiped: bool) -> None:
        for task in tasks:
            if at == "calling":
                await self._take(task)
                for _ in range(1 if self._random is None else self._random.randint(1, 3)):
                    await asyncio.sleep(0)
            else:
                await self._handle(task)
            if at == "committed" and task.is_dirty():
                self._transact(task)
            if wiped:
                self._durable[task].lose_disk()
            self._begin(task)

    def stop(self, topology: str) -> None:
        """Its tasks take no turns from now on, as if no worker ran, until `go_on`."""
        self._stopped.add(topology)

    def go_on(self, topology: str) -> None:
        self._stopped.discard(topology)

    def _runs(self, task: Task) -> bool:
        return task.topology.name not in self._stopped

    async def _step(self) -> bool:
        if self._random is not None:
            self._random.shuffle(self._turns)
        for _ in self._turns:
            turn = self._turns.pop(0)
            self._turns.append(turn)
            if await turn():
                return True
        return False

    async def _turn(self, task: Task) -> bool:
        """Handle and commit; whether anything happened."""
        if not self._runs(task):
            return False
        taken = await self._handle(task)
        dirty = task.is_dirty()
        if dirty:
            self._commit(task)
        task.runner.resume()
        return taken or dirty

    async def _handle(self, task: Task) -> bool:
        """Deliver what is there and do what is due, to the end; whether anything was delivered."""
        taken = await self._take(task)
        await asyncio.sleep(0)  # what was admitted begins now: a task that settles begins nothing
        await task.runner.settle()
        return taken

    async def _take(self, task: Task) -> bool:
        waiting = [topic for topic in task.topology.input_topics if task.taken[topic] < self._end(task, topic)]
        if self._random is not None and waiting:
            waiting = [self._random.choice(waiting)]
        for topic in waiting:
            await self._deliver(task, topic)
        task.tick()
        if task.timers_wait_for_ends():
            task.ends_are({topic: self._end(task, topic) for topic in task.topology.sources}, self.now_us)
        task.fire_timers()
        return bool(waiting)

    async def _deliver(self, task: Task, topic: str) -> None:
        begin, end = task.taken[topic], self._end(task, topic)
        if self._random is not None:
            end = self._random.randint(begin + 1, end)
        records = self._log(topic)[task.partition][begin:end]
        delivery = _Delivery(task, RecordBatch.of(topic, task.partition, begin, end, records))
        for agent in task.topology.agents:
            await agent(_one(delivery))

    def _commit(self, task: Task) -> None:
        snapshot = self._transact(task)
        self._durable[task].restore()
        task.state.persisted(snapshot)

    def _transact(self, task: Task) -> Snapshot:
        snapshot = task.state.snapshot()
        for output in snapshot.outputs:
            self.pipe(output)
        self._durable[task].commit(snapshot)
        return snapshot

    def _next_due(self) -> int | None:
        tasks = [task for task in self._tasks if self._runs(task)]
        due = [delayed.next_due_ms() for task in tasks for delayed in task.delayed.values()]
        times = [at * 1000 for at in due if at is not None]
        times += [at for task in tasks if task.timers is not None and (at := task.timers.next_due()) is not None]
        times += [held.until for task in tasks if (held := task.runner.hold()) is not None]
        later = [at for at in times if at > self.now_us]
        return min(later, default=None)

    def _end(self, task: Task, topic: str) -> int:
        return len(self._log(topic)[task.partition])

    def _log(self, topic: str) -> list[list[Record]]:
        log = self.topics.get(topic)
        if log is None:
            log = self.topics[topic] = [[] for _ in range(self._partitions)]
        return log


async def _one(delivery: TaskBatch) -> AsyncIterator[TaskBatch]:
    yield delivery
