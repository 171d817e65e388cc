"""Warm copies of tasks that other workers run: each follows its task's changelogs, and is never read."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.errors import TransientError
from app.observability.log import logger
from app.observability.metrics import TROUBLES
from app.streaming.assignment import WARM
from app.streaming.errors import StoreError, StoreInUseError
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.progress import Progress
from app.streaming.kafka.restore import STALE_AFTER_S, RestoreStoppedError, changelog_ends, replay, restore
from app.streaming.store import Store
from app.streaming.stores import Stores
from app.streaming.topology import Topology

log = logger(__name__)

AGAIN_S = 5.0
WRITE_EVERY_S = 10.0  # so that a copy of a quiet task does not look as if it had been left alone


class Standby:
    """A restore that never finishes, in a thread of its own, until it is stopped."""

    def __init__(self, topology: Topology, partition: int, clients: Clients, stores: Stores) -> None:
        self.partition, self._group, self._clients, self._stores = partition, topology.group, clients, stores
        self._name = f"{topology.name}-{partition}"
        self._changelogs = {topology.changelog(table): spec.prefix for table, spec in topology.tables.items()}
        self.progress = Progress(topology.group)
        self.follows = False
        self._at: dict[str, int] = {}
        self._stop = threading.Event()

    @property
    def lag(self) -> int:
        """Changelog offsets that the copy lacks."""
        return self.progress.remaining

    def held(self) -> int:
        """Changelog offsets that the copy is up to."""
        return sum(list(self._at.values()))

    def is_warm(self) -> bool:
        return self.follows and self.lag <= WARM // 10  # more comes before it is taken over

    async def run(self, closing: asyncio.Task[None] | None) -> None:
        """Follow until `stop`; what fails is begun again. Raises a `SetupError`."""
        if closing is not None:
            await closing  # the store can be open only once
        with ThreadPoolExecutor(1, thread_name_prefix=f"standby-{self.partition}") as thread:
            while not self._stop.is_set():
                await asyncio.get_running_loop().run_in_executor(thread, self._try)

    def stop(self) -> None:
        """Let go of the store soon; what is in it stays."""
        self._stop.set()

    def _try(self) -> None:
        try:
            self._copy()
        except RestoreStoppedError:
            return
        except (KafkaException, TransientError, OSError) as error:
            TROUBLES.labels(self._group, type(error).__name__).inc()
            log.warning("standby.failed", task=self._name, why=f"{type(error).__name__}: {error}", again_in_s=AGAIN_S)
            self._stop.wait(AGAIN_S)
        finally:
            self.follows = False

    def _copy(self) -> None:
        if self._stop.is_set():
            return
        store = self._stores.open(self._name)
        try:
            self._at = dict(store.positions.changelogs)
            restore(self._clients, store, self._changelogs, self.partition, self.progress, self._stop)
            log.info("standby.warm", task=self._name, restored=self.progress.restored)
            self._follow(store)
        finally:
            store.close()

    def _follow(self, store: Store) -> None:
        ends = changelog_ends(self._clients, self._changelogs, self.partition)
        at = {topic: max(low, store.positions.changelogs.get(topic, 0)) for topic, (low, _) in ends.items()}
        consumer = self._clients.follower()
        try:
            consumer.assign([TopicPartition(topic, self.partition, offset) for topic, offset in at.items()])
            self.follows, written_at = True, time.monotonic()
            while not self._stop.is_set():
                count = replay(consumer, store, self._changelogs, at)
                if time.monotonic() - written_at > WRITE_EVERY_S:
                    store.write((), at)
                    written_at = time.monotonic()
                self._at = dict(at)
                self.progress.advance(count, self._behind(consumer, at))
            store.write((), at)
        finally:
            consumer.close()

    def _behind(self, consumer: Consumer, at: dict[str, int]) -> int:
        """As of the last fetches: nothing is asked for."""
        behind = 0
        for topic, offset in at.items():
            marks = consumer.get_watermark_offsets(TopicPartition(topic, self.partition), cached=True)
            behind += max(0, marks[1] - offset) if marks is not None and marks[1] >= 0 else 0
        return behind

    def told(self) -> dict[str, object]:
        """What is said of it to people."""
        state = "following" if self.follows else "restoring"
        return {"partition": self.partition, "state": state, "lag": self.lag, **self.progress.told()}


class Standbys:
    """The copies that a worker keeps, and how far the stores go that it has on disk; `fail` ends the worker."""

    def __init__(self, topology: Topology, clients: Clients, stores: Stores, fail: Callable[[Exception], None]) -> None:
        self._topology, self._clients, self._stores, self._fail = topology, clients, stores, fail
        self.kept: dict[int, Standby] = {}
        self._warming: tuple[int, ...] = ()
        self._left: dict[int, tuple[int, float]] = {}  # and when it was used last
        self._jobs: dict[int, asyncio.Task[None]] = {}

    def look(self) -> None:
        """Learn what earlier runs have left on disk (blocking)."""
        for partition in self._stores.partitions(self._topology.name):
            with contextlib.suppress(StoreError, StoreInUseError):  # whoever needs it will say so
                store = self._stores.open(f"{self._topology.name}-{partition}")
                if time.time() - store.positions.updated_at < STALE_AFTER_S:
                    self._left[partition] = sum(store.positions.changelogs.values()), store.positions.updated_at
                store.close()

    def held(self) -> dict[int, int]:
        """Task -> changelog offsets that its store here is up to, for all that nobody runs here."""
        fresh = time.time() - STALE_AFTER_S
        left = {partition: held for partition, (held, used_at) in list(self._left.items()) if used_at > fresh}
        return left | {partition: standby.held() for partition, standby in list(self.kept.items())}

    def left(self, partition: int, held: int) -> None:
        """Its store was closed, and stays where it is, for a while."""
        self._left[partition] = held, time.time()

    def sweep(self) -> None:
        """Remove what was left for too long, and claim it no more (blocking)."""
        gone = self._stores.sweep(self._topology.name)
        for partition in list(self._left):
            if f"{self._topology.name}-{partition}" in gone:
                self._left.pop(partition, None)

    def follow(self, partition: int, closing: asyncio.Task[None] | None) -> None:
        """Keep a copy of this task from now on, once whoever had its store in this process has closed it."""
        self.kept[partition] = standby = Standby(self._topology, partition, self._clients, self._stores)
        self._jobs[partition] = asyncio.create_task(self._run(standby, closing))

    async def _run(self, standby: Standby, closing: asyncio.Task[None] | None) -> None:
        try:
            await standby.run(closing)
        except Exception as error:  # noqa: BLE001 - a `SetupError`, or a fault of the engine itself
            self._fail(error)

    def drop(self, partition: int) -> asyncio.Task[None]:
        """Keep it no longer; done when its store is closed."""
        standby = self.kept.pop(partition)
        standby.stop()
        self.left(partition, standby.held())
        return self._jobs.pop(partition)

    def take_over(self, partitions: tuple[int, ...]) -> None:
        """These are to be run here once their copies are warm."""
        self._warming = partitions

    def are_warm(self) -> bool:
        """Whether there are tasks to be taken over, and all of their copies are warm."""
        return bool(self._warming) and all(p in self.kept and self.kept[p].is_warm() for p in self._warming)
