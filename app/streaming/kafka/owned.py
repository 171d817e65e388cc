"""One task that this worker owns: its transactions and store, its checkpoints, and the one way back, `reset`."""

import asyncio
import contextlib
import threading
import time
from contextlib import AbstractAsyncContextManager

from confluent_kafka import KafkaException

from app.observability.log import logger
from app.observability.metrics import CHECKPOINT_SECONDS, CHECKPOINTS, RESETS, TROUBLES
from app.streaming.errors import StoreError, StuckHandlerError
from app.streaming.kafka.checkpoint import Transactions
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.moving import passes
from app.streaming.kafka.offsets import Start, begin_positions, committed_ends, tables_metadata
from app.streaming.kafka.progress import Progress
from app.streaming.kafka.restore import RestoreStoppedError, changelog_ends, restore
from app.streaming.kafka.source_ends import SourceEnds
from app.streaming.names import dlq_topic
from app.streaming.state import Snapshot
from app.streaming.store import Store
from app.streaming.stores import Stores
from app.streaming.task import Task

log = logger(__name__)

SETTLE_S = 30.0
ENDS_EVERY_S = 10.0
ALONE_S = 2.0  # of a commit: one that waits for brokers does not keep the other tasks waiting
AGAIN_S = 1.0  # after a failure: by then the membership has told whether the task is still ours
AGAIN_AT_LAST_S = 16.0
TELL_EVERY_S = 3.0
TRIES = 3  # failures in a row, after which it is not a passing trouble
LONG_S = 10.0  # for a commit: a leader that moves is elected sooner
FORGIVEN_S = 5.0  # after a reset: what comes again fails sooner


class OwnedTask:
    """Ties a task to Kafka and to this machine's disk. `idle`: no reset and no checkpoint of it runs."""

    def __init__(self, task: Task, clients: Clients, stores: Stores, start: Start | None) -> None:
        self.task, self._clients, self._start = task, clients, start
        self._stores = stores
        self._transactions: Transactions | None = None
        self.store: Store | None = None
        self.progress = Progress(task.topology.group)
        self._told_at = 0.0
        self.idle = asyncio.Event()
        self.idle.set()
        self.checkpointed_at = self.taken_at = self.commit_s = self._reset_at = 0.0
        self._commits_since: float | None = None
        self.failures = 0
        self.trouble: Exception | None = None
        self._let_go = asyncio.Event()
        self._stop = threading.Event()
        self._changelogs = {t.changelog: t.spec.prefix for t in task.state.tables.values()}
        self._ends: tuple[float, dict[str, int]] = (0.0, {})
        self.source_ends = SourceEnds(task, clients)

    async def reset(self, why: str) -> None:
        """Back to the last checkpoint, whoever made it: fence, stable offsets, restore. The only way into work."""
        task, began = self.task, time.monotonic()
        task.status = "restoring"
        task.epoch += 1
        RESETS.labels(task.topology.group, why.partition(":")[0]).inc()
        self.progress, self._told_at = Progress(task.topology.group), began
        positions = await asyncio.to_thread(self._recover)
        if self.store is None or self._transactions is None or self._stop.is_set():
            raise RestoreStoppedError
        await self._transactions.commit_positions(positions)  # a new group's start is durable before anything is read
        self._ends = (0.0, {})
        task.open(self.store, positions)
        self._reset_at = time.monotonic()
        log.info(
            "task.ready",
            task=str(task),
            why=why,
            restored=self.progress.restored,
            seconds=round(time.monotonic() - began, 3),
        )

    def _recover(self) -> dict[str, int]:
        """Blocking. Every client is a new one: what made this reset necessary may have spoilt the old."""
        topology, partition = self.task.topology, self.task.partition
        if self._stop.is_set():  # a late fencing would hit the next owner
            raise RestoreStoppedError
        self._retire()
        self._transactions = Transactions(
            self._clients.producer(f"{topology.group}-{partition}"),
            self._clients.ends,
            partition,
            tables_metadata(topology),
            self._let_go,
        )
        self._transactions.begin_ownership(dlq_topic(topology.group))
        asked = self._clients.offsets()
        try:
            positions = begin_positions(asked, topology, partition, self._start)
        finally:
            asked.close()
        if self.failure is not None:
            self._close_store()
        if self.store is None:
            self.store = self._stores.open(f"{topology.name}-{partition}")
        restore(self._clients, self.store, self._changelogs, partition, self.progress, self._stop)
        self.task.check(self.store)
        return positions

    def is_over(self, share: float) -> bool:
        """Whether its rows and outputs take more memory than its rows may, by this share of it: those that changed must
        be written."""
        return self.task.state.cached_bytes + self.task.state.output_bytes > self._stores.rows_each * (1 + share)

    def rest(self) -> None:
        """All that it did is committed: its share of the memory may be less by now, and what failed before is over."""
        if self.is_over(0):
            self.task.state.make_room(self._stores.rows_each)
        if self.failures and time.monotonic() - self._reset_at > FORGIVEN_S:
            self.failures, self.trouble = 0, None

    @property
    def failure(self) -> StoreError | None:
        """Why the store can only be opened again, if so; a reset does it."""
        return None if self.store is None else self.store.failure

    def _close_store(self) -> None:
        if self.store is not None:
            self.store.close()
            self.store = None

    def _retire(self) -> None:
        if self._transactions is not None:
            self._transactions.retire()
            self._transactions = None

    async def checkpoint(self, turn: AbstractAsyncContextManager[None], *, last: bool = False) -> None:
        """One checkpoint, in its turn; raises when the task must be reset. After the last one nothing more is begun."""
        task, transactions, store, epoch = self.task, self._transactions, self.store, self.task.epoch
        if transactions is None or store is None:
            raise RestoreStoppedError
        await self._settle()
        async with turn:
            if task.status != "active" or task.epoch != epoch:
                return
            snapshot = task.state.snapshot()
            if not last:
                task.runner.resume()
            committing = asyncio.create_task(self._commit(transactions, snapshot))
            await asyncio.wait({committing}, timeout=ALONE_S)
        await committing
        if task.status == "active" and task.epoch == epoch:
            self._persist(store, snapshot)
            if not last:
                await self._ask_for_ends()

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(SETTLE_S):
                await self.task.runner.settle()
        except TimeoutError:
            raise StuckHandlerError(
                f"{self.task.runner.in_flight()} handlers have not returned for {SETTLE_S:.0f} s; what they do next is "
                "ignored, and their records are handled again: look for a gateway that holds on past its limit"
            ) from None

    async def _commit(self, transactions: Transactions, snapshot: Snapshot) -> None:
        group, began, outcome = self.task.topology.group, time.monotonic(), "failed"
        self._commits_since = began
        try:
            await transactions.commit(snapshot)
            outcome = "committed"
        finally:
            self._commits_since = None
            CHECKPOINTS.labels(group, outcome).inc()
            self.commit_s = time.monotonic() - began
            CHECKPOINT_SECONDS.labels(group).observe(self.commit_s)

    def _persist(self, store: Store, snapshot: Snapshot) -> None:
        store.write(snapshot.stored_rows(), self._ends[1])
        self.task.state.persisted(snapshot)
        self.task.state.make_room(self._stores.rows_each)
        self.checkpointed_at = time.monotonic()
        self.failures, self.trouble = 0, None

    async def failed(self, trouble: Exception) -> None:
        """Its checkpoint or reset failed: returns when it is time to try again, or when the task is let go of."""
        self.failures += 1
        self.trouble = trouble
        TROUBLES.labels(self.task.topology.group, type(trouble).__name__).inc()
        pause_s = AGAIN_S if passes(trouble) else min(AGAIN_S * 2.0 ** (self.failures - 1), AGAIN_AT_LAST_S)
        why = f"{type(trouble).__name__}: {trouble}"
        log.warning("task.failed", task=str(self.task), why=why, failures=self.failures, again_in_s=pause_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._let_go.wait()

    def tell(self) -> None:
        """Log how the restore is going, every few seconds."""
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            log.info("task.restoring", task=str(self.task), **self.progress.told())

    def unready(self) -> str | None:
        """Why it cannot serve now, or will soon not, if so."""
        failed = f"has failed {self.failures} times in a row ({self.trouble}); mend that, it tries again"
        if self.failures >= TRIES or isinstance(self.trouble, StuckHandlerError):
            return failed
        if self.task.status == "active":
            return self._held_up()
        return failed if self.trouble else f"still restoring: {self.progress}; ask again in a moment"

    def _held_up(self) -> str | None:
        """Why its checkpoint is not committed for long, if so: what it has done is neither shown nor sent meanwhile."""
        waited_s = 0.0 if self._commits_since is None else time.monotonic() - self._commits_since
        if waited_s < LONG_S:
            return None
        return f"waits for {waited_s:.0f} s for Kafka to commit its work; look whether each of its topics has a leader"

    async def _ask_for_ends(self) -> None:
        """Learn now and then how far the changelogs are in the store, so that the next start replays little.

        The ends asked for after one commit are stored with the next: that it succeeds proves that nobody else wrote
        to the changelogs when they were asked for.
        """
        asked_at, _ = self._ends
        if time.monotonic() - asked_at < ENDS_EVERY_S:
            return
        epoch = self.task.epoch
        try:
            ends = await asyncio.to_thread(changelog_ends, self._clients, self._changelogs, self.task.partition)
        except KafkaException:  # a broker is away: the checkpoint is made all the same
            ends = {}
        if self.task.epoch == epoch:
            self._ends = (time.monotonic(), {topic: end for topic, (_, end) in ends.items()})

    def held(self) -> int:
        """Changelog offsets that the store is known to be up to."""
        known = {} if self.store is None else self.store.positions.changelogs
        return sum(max(known.get(topic, 0), self._ends[1].get(topic, 0)) for topic in self._changelogs)

    async def timer_ends(self) -> None:
        """Ask for the committed ends that a due timer waits for."""
        task, asked_at, epoch = self.task, self.task.now_us(), self.task.epoch
        ends = await asyncio.to_thread(committed_ends, self._clients.ends, list(task.topology.sources), task.partition)
        if task.epoch == epoch:
            task.ends_are(ends, asked_at)

    async def close(self) -> None:
        """Let go of the task; what no checkpoint committed is dropped. The restore, if one runs, ends first."""
        self.task.close()
        self.abandon()
        await self.idle.wait()
        self._retire()
        self._close_store()

    def let_go(self) -> None:
        """It is not tried again, whatever fails: the worker gives it up."""
        self._let_go.set()

    def is_let_go(self) -> bool:
        return self._let_go.is_set()

    def abandon(self) -> None:
        """End a restore or a pause soon, whatever is left of it."""
        self.let_go()
        self._stop.set()
