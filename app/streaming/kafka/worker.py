"""Runs the tasks of one worker: takes assignments, delivers batches, ticks, checkpoints, and resets what failed."""

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException

from app.errors import SetupError
from app.observability.log import logger
from app.streaming.errors import TooLargeError, TopicError
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import BATCH, Fetcher
from app.streaming.kafka.offsets import Start
from app.streaming.kafka.owned import OwnedTask
from app.streaming.kafka.restore import RestoreStoppedError
from app.streaming.record import RecordBatch
from app.streaming.task import Task
from app.streaming.topology import Topology

log = logger(__name__)

TURN_S = 0.02
IDLE_TURN_S = 0.1  # when nothing is under way; a batch that comes ends it at once
SOONEST_S = 0.025  # between two checkpoints of a task
POSITIONS_ONLY_S = 0.5
BACKLOG_HIGH, BACKLOG_LOW = 4000, 1000
OUTSTANDING = 8  # batches between fetch and task


def now_us() -> int:
    return time.time_ns() // 1000


class DeliveredBatch:
    """A record batch on its way through an agent to the task that it belongs to."""

    def __init__(self, worker: "Worker", batch: RecordBatch) -> None:
        self._worker, self.batch = worker, batch

    def deliver(self) -> None:
        self._worker.deliver(self.batch)


class Worker:
    """`failed` raises the error with which the worker cannot go on; its process ends then, saying why."""

    def __init__(
        self, topology: Topology, clients: Clients, directory: Path, interval_s: float, start: Start | None
    ) -> None:
        self.topology, self._clients, self._directory = topology, clients, directory
        self._interval_s, self._start = interval_s, start
        self.fetcher = Fetcher(clients.fetcher())
        self.owned: dict[int, OwnedTask] = {}
        self.has_room = asyncio.Event()
        self.has_room.set()
        self._outstanding = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turn = asyncio.Semaphore(1)
        self._jobs: set[asyncio.Task[None]] = set()
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._generation = -1
        self._stopping = False
        self._work = asyncio.Event()
        self._catching_up = False

    def assigned(self, topics_by_partition: dict[int, set[str]], generation: int) -> None:
        """The group's decision. Tasks are kept as they are when the worker took part in the generation before this
        one: else somebody else may have owned them in between. A rebalance does not wait for restores."""
        if self._stopping:
            return
        for partition, topics in topics_by_partition.items():
            if missing := sorted(set(self.topology.input_topics) - topics):
                task = f"{self.topology.name}[{partition}]"
                self.fail(TopicError(f"{task} was assigned without {missing}; all topics need one partition count"))
                return
        self._outstanding = 0  # a rebalance clears the queues between fetch and task
        self.has_room.set()
        kept = topics_by_partition.keys() if generation == self._generation + 1 else set()
        self._generation = generation
        for partition in self.owned.keys() - kept:
            self._drop(partition)
        for partition in sorted(topics_by_partition):
            self._own(partition)

    def fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    async def run(self) -> None:
        """Tick and checkpoint what is owned, until cancelled."""
        while True:
            self._turn_all()
            self._work.clear()
            try:
                async with asyncio.timeout(TURN_S if self._is_busy() else IDLE_TURN_S):
                    await self._work.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(0.002)

    def _drop(self, partition: int) -> None:
        owned = self.owned.pop(partition)
        self.fetcher.unassign(partition)
        log.info("task.dropped", task=str(owned.task))
        self._closing[partition] = asyncio.create_task(owned.close())

    def _own(self, partition: int) -> None:
        owned = self.owned.get(partition)
        if owned is None:
            task = Task(self.topology, partition, now_us)
            self.owned[partition] = owned = OwnedTask(task, self._clients, self._directory, self._start)
            self._spawn(owned, self._reset(owned, "assigned"))
        elif owned.task.status == "active":
            # the queues between fetch and task were cleared, so fetch again from where the task is
            self.fetcher.assign(partition, owned.task.taken)

    def _spawn(self, owned: OwnedTask, work: Coroutine[None, None, None]) -> None:
        owned.idle.clear()

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - a fault of the engine itself ends the worker, in plain sight
                self.fail(error)
            finally:
                owned.idle.set()

        job = asyncio.get_running_loop().create_task(guarded())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _reset(self, owned: OwnedTask, why: str) -> None:
        """Reset until it works or the task is no longer ours."""
        partition = owned.task.partition
        owned.task.status = "restoring"
        self.fetcher.unassign(partition)
        if closing := self._closing.pop(partition, None):
            await closing  # the store can be open only once
        while self._is_ours(owned):
            try:
                await owned.reset(why)
            except SetupError as error:
                self.fail(error)
                return
            except RestoreStoppedError:
                return
            except (KafkaException, TimeoutError, OSError) as error:
                await owned.failed(str(error))
            else:
                if self._is_ours(owned):
                    self.fetcher.assign(partition, owned.task.taken)
                return

    def _turn_all(self) -> None:
        for owned in self.owned.values():
            task = owned.task
            if task.status != "active":
                continue
            if owned.idle.is_set():
                task.tick()
                task.fire_timers()
                if self._is_due(owned):
                    self._spawn(owned, self._checkpoint(owned))
                elif task.timers_wait_for_ends():
                    self._spawn(owned, self._timer_ends(owned))
            self._hold_what_waits(task)

    def _is_busy(self) -> bool:
        tasks = [owned.task for owned in self.owned.values()]
        return any(task.is_dirty() or task.runner.in_flight() or task.parking.draining for task in tasks)

    def _hold_what_waits(self, task: Task) -> None:
        waiting = {topic: task.runner.backlog() for topic in self.topology.sources}
        waiting.update({topic: len(delayed) for topic, delayed in task.delayed.items()})
        for topic, count in waiting.items():
            if count > BACKLOG_HIGH or count < BACKLOG_LOW:
                self.fetcher.hold(topic, task.partition, hold=count > BACKLOG_HIGH)

    def _is_due(self, owned: OwnedTask) -> bool:
        since = time.monotonic() - owned.checkpointed_at
        if owned.task.state.has_effects():
            return since >= (self._interval_s if self._catching_up else SOONEST_S)
        return since >= POSITIONS_ONLY_S and owned.task.state.has_moved()

    async def _checkpoint(self, owned: OwnedTask) -> None:
        try:
            await owned.checkpoint(self._turn)
        except (KafkaException, TimeoutError, OSError, TooLargeError) as error:
            await self._back(owned, f"checkpoint failed: {error}")

    async def _timer_ends(self, owned: OwnedTask) -> None:
        try:
            await owned.timer_ends()
        except KafkaException as error:
            log.warning("timers.ends_unknown", task=str(owned.task), error=str(error))

    async def _back(self, owned: OwnedTask, why: str) -> None:
        owned.task.status = "restoring"
        self.fetcher.unassign(owned.task.partition)
        await owned.failed(why)
        if self._is_ours(owned):
            await self._reset(owned, why)

    def _is_ours(self, owned: OwnedTask) -> bool:
        return not self._stopping and self.owned.get(owned.task.partition) is owned

    async def fetch(self) -> list[DeliveredBatch]:
        """The next batches, to be handed to an agent each."""
        batches = await self.fetcher.fetch(self._fetch_error)
        self._catching_up = sum(len(batch) for batch in batches) >= BATCH // 2
        self._outstanding += len(batches)
        if self._outstanding > OUTSTANDING:
            self.has_room.clear()
        return [DeliveredBatch(self, batch) for batch in batches]

    def _fetch_error(self, topic: str, partition: int, error: KafkaError) -> None:
        log.warning("fetch.failed", topic=topic, partition=partition, error=error.str())
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self.fail(
                TopicError(
                    f"{topic}[{partition}] has lost records that group {self.topology.group} had yet to read "
                    f"({error.str()}); find out what deletes them, then deploy the topology under a new name"
                )
            )

    def deliver(self, batch: RecordBatch) -> None:
        """Hand a batch to its task; one that is not the next (its task moved meanwhile) is fetched again."""
        self._outstanding -= 1
        if self._outstanding <= OUTSTANDING:
            self.has_room.set()
        owned = self.owned.get(batch.partition)
        if owned is None or owned.task.status != "active":
            return
        try:
            taken = owned.task.take(batch)
        except Exception as error:  # noqa: BLE001 - no fault of a record, which has its boundary: of disk or engine
            self.fail(error)
            return
        if taken:
            self._work.set()
        elif batch.end > owned.task.taken[batch.topic]:
            self.fetcher.assign(batch.partition, owned.task.taken)

    async def stop(self) -> None:
        """Commit what is done and let go of every task; begin nothing more."""
        self._stopping = True
        await asyncio.gather(*[self._leave(owned) for owned in self.owned.values()])
        self.owned.clear()
        await asyncio.gather(*self._closing.values())

    async def _leave(self, owned: OwnedTask) -> None:
        if owned.task.status != "active":
            owned.abandon()
        await owned.idle.wait()
        if owned.task.status == "active" and owned.task.is_dirty():
            try:
                await owned.checkpoint(self._turn, last=True)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the worker ends in order
                log.warning("task.left_uncommitted", task=str(owned.task), error=f"{type(error).__name__}: {error}")
        await owned.close()

    async def close(self) -> None:
        """Let go of the clients; nothing fetches any more."""
        await self.fetcher.close()
        await asyncio.to_thread(self._clients.close)
