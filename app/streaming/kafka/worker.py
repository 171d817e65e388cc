"""What one worker owns: takes assignments, and brings batches from the fetch to the tasks they belong to."""

import asyncio
import time

from confluent_kafka import KafkaError

from app.observability.log import logger
from app.streaming.assignment import Claim, Place
from app.streaming.errors import StoreError, TopicError
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import BATCH
from app.streaming.kafka.fetchers import Fetchers
from app.streaming.kafka.offsets import Start
from app.streaming.kafka.owned import OwnedTask
from app.streaming.kafka.standbys import Standbys
from app.streaming.kafka.turns import Turns
from app.streaming.record import RecordBatch
from app.streaming.stores import Stores
from app.streaming.task import Task
from app.streaming.topology import Topology

log = logger(__name__)

OUTSTANDING = 8  # batches between fetch and task


def now_us() -> int:
    return time.time_ns() // 1000


class DeliveredBatch:
    """A record batch on its way through an agent to the task that it belongs to, to which it is handed over once."""

    def __init__(self, worker: "Worker", batch: RecordBatch) -> None:
        self._worker, self.batch = worker, batch

    def deliver(self) -> None:
        batch = self.batch
        del self.batch  # an agent may hold on to the delivery until the next one, not to a thousand records
        self._worker.deliver(batch)


class Worker:
    """`failed` raises the error with which the worker cannot go on; its process ends then, saying why."""

    def __init__(
        self, topology: Topology, clients: Clients, stores: Stores, interval_s: float, start: Start | None
    ) -> None:
        self.topology, self._clients, self._stores = topology, clients, stores
        self._start = start
        self.fetcher = Fetchers(clients, topology)
        self.owned: dict[int, OwnedTask] = {}
        self.standbys = Standbys(topology, clients, stores, self.fail)
        self._turns = Turns(self.owned, self.fetcher, interval_s, self.fail)
        self.has_room = asyncio.Event()
        self.has_room.set()
        self._outstanding = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._generation = -1
        self._stopping = False

    def claim(self, url: str, standbys: int) -> Claim:
        """What the group is told of this worker. May be called from another thread."""
        owned = list(self.owned.items())
        held = self.standbys.held() | {partition: one.held() for partition, one in owned}
        return Claim(url, self._generation, tuple(partition for partition, _ in owned), held, standbys)

    def assigned(self, topics_by_partition: dict[int, set[str]], place: Place, generation: int) -> None:
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
        copies = {*place.standby, *place.warming}
        for partition in self.standbys.kept.keys() - copies:
            self._closing[partition] = self.standbys.drop(partition)
        for partition in sorted(topics_by_partition):
            self._own(partition)
        for partition in sorted(copies - self.standbys.kept.keys()):
            self.standbys.follow(partition, self._closing.pop(partition, None))
        self.standbys.take_over(place.warming)

    def ends(self, partition: int) -> dict[str, int]:
        """The last known ends of a task's topics, for lag."""
        owned, fetched = self.owned.get(partition), self.fetcher.ends(partition)
        asked = {} if owned is None else owned.source_ends.known
        return asked | {topic: max(end, asked.get(topic, 0)) for topic, end in fetched.items()}

    def fail(self, error: Exception) -> None:
        if not self.failed.done():
            # at once: an end that takes too long is cut off
            log.error("worker.failed", topology=self.topology.name, why=f"{type(error).__name__}: {error}")
            self.failed.set_exception(error)

    async def run(self) -> None:
        """Carry the tasks on, until cancelled."""
        await self._turns.run()

    def _drop(self, partition: int) -> None:
        owned = self.owned.pop(partition)
        owned.let_go()
        self.standbys.left(partition, owned.held())
        self.fetcher.unassign(partition)
        log.info("task.dropped", task=str(owned.task))
        self._closing[partition] = asyncio.create_task(owned.close())

    def _own(self, partition: int) -> None:
        owned = self.owned.get(partition)
        if owned is None:
            task = Task(self.topology, partition, now_us, self._turns.wake)
            self.owned[partition] = owned = OwnedTask(task, self._clients, self._stores, self._start)
            self._turns.begin(owned, self._closing.pop(partition, None))
        elif owned.task.status == "active":
            # the queues between fetch and task were cleared, so fetch again from where the task is
            self.fetcher.assign(partition, owned.task.taken)

    async def fetch(self) -> list[DeliveredBatch]:
        """The next batches, to be handed to an agent each."""
        fetched = await self.fetcher.fetch(self._fetch_error)
        batches = [batch for batch in fetched if len(batch) or not self._moves_on(batch)]
        self._turns.catching_up = sum(len(batch) for batch in batches) >= BATCH // 2
        self._outstanding += len(batches)
        if self._outstanding > OUTSTANDING:
            self.has_room.clear()
        return [DeliveredBatch(self, batch) for batch in batches]

    def _moves_on(self, batch: RecordBatch) -> bool:
        """Whether a batch without records, which only moves a position, was next, so that no agent has to have it."""
        owned = self.owned.get(batch.partition)
        return owned is not None and self._take(owned, batch)

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
        if self._take(owned, batch):
            owned.taken_at = time.monotonic()
            self._turns.wake()
        elif owned.task.status == "active" and batch.end > owned.task.taken[batch.topic]:
            self.fetcher.assign(batch.partition, owned.task.taken)

    def _take(self, owned: OwnedTask, batch: RecordBatch) -> bool:
        try:
            return owned.task.take(batch)
        except StoreError:  # it stays in the store, and the next turn sends the task back
            owned.task.status = "restoring"
            self._turns.wake()
        except Exception as error:  # noqa: BLE001 - no fault of a record, which has its boundary: of disk or engine
            self.fail(error)
        return False

    async def stop(self) -> None:
        """Commit what is done and let go of every task; begin nothing more."""
        self._stopping = True
        for owned in self.owned.values():
            owned.let_go()
        copies = [self.standbys.drop(partition) for partition in list(self.standbys.kept)]
        await asyncio.gather(*copies, *[self._turns.leave(owned) for owned in self.owned.values()])
        self.owned.clear()
        await asyncio.gather(*self._closing.values())

    async def close(self) -> None:
        """Let go of the clients; nothing fetches any more."""
        await self.fetcher.close()
        await asyncio.to_thread(self._clients.close)
