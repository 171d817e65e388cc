"""Carries on the tasks that a worker owns: ticks and checkpoints them, and resets what failed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping

from confluent_kafka import KafkaException

from app.errors import SetupError, TransientError
from app.observability.log import logger
from app.streaming.errors import StoreError
from app.streaming.kafka.fetchers import Fetchers
from app.streaming.kafka.owned import OwnedTask
from app.streaming.kafka.pace import Standing, due_in_s
from app.streaming.kafka.restore import RestoreStoppedError

log = logger(__name__)

TURN_S = 0.02
IDLE_TURN_S = 0.1  # when nothing is under way; a batch that comes ends it at once
TOGETHER_S = 0.001  # what comes at the same time is looked at in one turn
BACKLOG_HIGH, BACKLOG_LOW = 4000, 1000
WRITE_OVER, HOLD_OVER = 0.125, 0.5  # of the memory that the rows of a task may take


class Turns:
    """`owned` is the worker's own table of its tasks; `fail` ends the worker with an error."""

    def __init__(
        self, owned: Mapping[int, OwnedTask], fetcher: Fetchers, interval_s: float, fail: Callable[[Exception], None]
    ) -> None:
        self._owned, self._fetcher, self._interval_s, self._fail = owned, fetcher, interval_s, fail
        self.catching_up = False
        self._turn = asyncio.Semaphore(1)
        self._jobs: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()

    async def run(self) -> None:
        """Tick and checkpoint what is owned, until cancelled."""
        while True:
            due_s = self._turn_all()
            self._work.clear()
            try:
                async with asyncio.timeout(min(due_s, TURN_S if self._is_busy() else IDLE_TURN_S)):
                    await self._work.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(TOGETHER_S)

    def wake(self) -> None:
        """There is work: the next turn comes at once."""
        self._work.set()

    def begin(self, owned: OwnedTask, closing: asyncio.Task[None] | None) -> None:
        """Bring a task that was assigned into work, once whoever had its store in this process has closed it."""
        self._spawn(owned, self._reset(owned, "assigned", closing))

    def _spawn(self, owned: OwnedTask, work: Coroutine[None, None, None]) -> None:
        owned.idle.clear()

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - a fault of the engine itself ends the worker, in plain sight
                self._fail(error)
            finally:
                owned.idle.set()

        self._keep(guarded())

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        """Beside all else; a job that nobody holds may be collected."""
        job = asyncio.get_running_loop().create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _reset(self, owned: OwnedTask, why: str, closing: asyncio.Task[None] | None = None) -> None:
        """Reset until it works or the task is no longer ours."""
        partition = owned.task.partition
        owned.task.status = "restoring"
        self._fetcher.unassign(partition)
        if closing is not None:
            await closing  # the store can be open only once
        while not owned.is_let_go():
            try:
                await owned.reset(why)
            except SetupError as error:
                self._fail(error)
                return
            except RestoreStoppedError:
                return
            except (KafkaException, TransientError, TimeoutError, OSError) as error:
                await owned.failed(error)
            else:
                if not owned.is_let_go():
                    self._fetcher.assign(partition, owned.task.taken)
                return

    def _turn_all(self) -> float:
        """Seconds until the next checkpoint is due."""
        due_s = IDLE_TURN_S
        for owned in self._owned.values():
            if owned.idle.is_set() and owned.task.status == "active":
                with contextlib.suppress(StoreError):  # it is the failure that is looked at next
                    owned.task.tick()
                    owned.task.fire_timers()
            if owned.idle.is_set() and owned.failure is not None:
                self._spawn(owned, self._back(owned, owned.failure))
            if owned.task.status == "active":
                if owned.idle.is_set():
                    due_s = min(due_s, self._carry_on(owned))
                self._hold_what_waits(owned)
                if self._fetcher.holds(owned.task.partition) and owned.source_ends.are_due():
                    self._keep(owned.source_ends.ask())
            else:
                owned.tell()
        return due_s

    def _carry_on(self, owned: OwnedTask) -> float:
        """Seconds until its next checkpoint is due."""
        due_s = self._due_in_s(owned)
        if due_s <= 0:
            self._spawn(owned, self._checkpoint(owned))
            return IDLE_TURN_S
        if owned.task.timers_wait_for_ends():
            self._spawn(owned, self._timer_ends(owned))
        if not owned.task.is_dirty():
            owned.rest()
        return due_s

    def _is_busy(self) -> bool:
        tasks = [owned.task for owned in self._owned.values()]
        return any(task.is_dirty() or task.runner.in_flight() or task.parking.draining for task in tasks)

    def _hold_what_waits(self, owned: OwnedTask) -> None:
        task, is_over = owned.task, owned.is_over(HOLD_OVER)
        # one that waits for a party still wants a few, to be tried
        high = BACKLOG_HIGH if task.runner.hold() is None else 0
        waiting = {topic: task.runner.backlog() for topic in task.topology.sources}
        waiting.update({topic: len(delayed) for topic, delayed in task.delayed.items()})
        for topic, count in waiting.items():
            if is_over or count > high or count < BACKLOG_LOW:
                self._fetcher.hold(topic, task.partition, hold=is_over or count > high)

    def _due_in_s(self, owned: OwnedTask) -> float:
        now, task = time.monotonic(), owned.task
        standing = Standing(
            outputs=bool(task.state.outputs),
            rows=task.state.has_changed_rows(),
            positions=task.state.has_moved(),
            is_full=owned.is_over(WRITE_OVER),
            since_s=now - owned.checkpointed_at,
            quiet_s=now - owned.taken_at,
            commit_s=owned.commit_s,
        )
        return due_in_s(task.topology.awaited, standing, self._interval_s, catching_up=self.catching_up)

    async def _checkpoint(self, owned: OwnedTask) -> None:
        # side by side they would only share the machine while all of it is needed to catch up
        turn = self._turn if self.catching_up else contextlib.nullcontext()
        try:
            await owned.checkpoint(turn)
        except (KafkaException, TransientError, TimeoutError, OSError) as error:
            await self._back(owned, error)

    async def _timer_ends(self, owned: OwnedTask) -> None:
        try:
            await owned.timer_ends()
        except KafkaException as error:
            log.warning("timers.ends_unknown", task=str(owned.task), error=str(error))

    async def _back(self, owned: OwnedTask, error: Exception) -> None:
        owned.task.status = "restoring"
        self._fetcher.unassign(owned.task.partition)
        await owned.failed(error)
        if not owned.is_let_go():
            await self._reset(owned, f"{type(error).__name__}: {error}")

    async def leave(self, owned: OwnedTask) -> None:
        """Commit what a task has done, and let go of it."""
        if owned.task.status != "active":
            owned.abandon()
        await owned.idle.wait()
        if owned.task.status == "active" and owned.task.is_dirty():
            try:
                await owned.checkpoint(self._turn, last=True)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the worker ends in order
                log.warning("task.left_uncommitted", task=str(owned.task), error=f"{type(error).__name__}: {error}")
        await owned.close()
