"""One task: a topology at one partition number. The unit of processing, checkpoint, reset and restore."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

from app.observability.log import logger
from app.observability.metrics import LATENESS, RECORDS
from app.streaming.blocked import BLOCKED, PARKED
from app.streaming.boundary import Boundary
from app.streaming.delayed import Delayed
from app.streaming.errors import RetryRecordError
from app.streaming.failures import Attempt, read_delivery
from app.streaming.parking import Parking
from app.streaming.record import RecordBatch
from app.streaming.state import TaskState
from app.streaming.table import AnyTable, Rows
from app.streaming.timers import Timers
from app.streaming.topology import Topology

log = logger(__name__)

Status: TypeAlias = Literal["restoring", "active", "closed"]

TIMERS = "timers"


class Task:
    """Takes record batches, tells what is due, and holds the effects that the next checkpoint makes durable."""

    def __init__(
        self, topology: Topology, partition: int, now_us: Callable[[], int], wake: Callable[[], None] = lambda: None
    ) -> None:
        self.topology, self.partition, self.now_us = topology, partition, now_us
        self.status: Status = "restoring"
        self.epoch = 0
        self.state = TaskState(list(topology.tables.values()), topology.changelog, topology.output_topics)
        self.parking = Parking(self.state.tables[BLOCKED.name], self.state.tables[PARKED.name])
        self.timers = Timers(self.state.tables[TIMERS], topology.watching) if TIMERS in self.state.tables else None
        self.boundary = Boundary(
            topology.group, partition, topology.policy, self.state, self.parking, self.timers, now_us, wake
        )
        jitter = topology.policy.jitter
        self.delayed = {topic: Delayed(topic, delay, jitter) for topic, delay in topology.delayed_topics.items()}
        self._void = {topic: offsets for (topic, number), offsets in topology.void.items() if number == partition}
        if topology.runner is None:
            raise TypeError(f"topology {topology.name} has no processor")
        self._bind = topology.runner
        self.runner = self._bind(self.boundary)
        self.taken: dict[str, int] = {}
        self._fires: tuple[int, dict[str, int]] | None = None

    def __str__(self) -> str:
        return f"{self.topology.name}[{self.partition}]"

    def check(self, store: Rows) -> None:
        """Raises a `SetupError` where this release cannot go on with the durable rows (blocking)."""
        for table, check in self.topology.row_checks.items():
            check(row for _, row in _rows(store, self.state.tables[table]))

    def open(self, store: Rows, positions: dict[str, int]) -> None:
        """Begin, or begin again, from what is durable."""
        self.runner.close()
        self.state.open(store, positions)
        self.taken = dict(positions)
        self.parking.open(_rows(store, self.state.tables[BLOCKED.name]))
        if self.timers is not None:
            self.timers.open(_rows(store, self.state.tables[TIMERS]))
        for topic, delayed in self.delayed.items():
            delayed.open(positions[topic])
        self.runner = self._bind(self.boundary)
        self._fires = None
        self.boundary.let_go_on()
        self.status = "active"

    def close(self) -> None:
        """No longer this worker's: whatever was not committed is dropped."""
        self.status = "closed"
        self.runner.close()

    def take(self, batch: RecordBatch) -> bool:
        """Handle the next batch of a topic; False when it is not the next one, and must be fetched again."""
        if self.status != "active" or self.taken.get(batch.topic) != batch.begin:
            return False
        self.taken[batch.topic] = batch.end
        RECORDS.labels(self.topology.group, batch.topic).inc(len(batch))
        if batch.topic in self._void:
            batch = batch.without(self._void[batch.topic])
        delayed = self.delayed.get(batch.topic)
        if delayed is None:
            self.runner.take(batch)
        else:
            delayed.take(batch, self.now_us() // 1000)
            self.state.positions[batch.topic] = delayed.position
        return True

    def tick(self) -> None:
        """Hand over the retries that are due and the letters that were sent back, go on with keys whose head was
        handled; raises what broke the runner."""
        self.runner.check()
        self.runner.go_on()
        if self.parking.draining:
            for key in list(self.parking.draining):
                self.runner.drain(key)
        now_ms = self.now_us() // 1000
        for topic, delayed in self.delayed.items():
            if delayed.is_due(now_ms) and self.runner.room():
                self._redeliver(topic, delayed, now_ms)

    def _redeliver(self, topic: str, delayed: Delayed, now_ms: int) -> None:
        for due_ms, record in delayed.due(now_ms):
            if delayed.delay_ms:
                LATENESS.labels(self.topology.group).observe((now_ms - due_ms) / 1000)
            try:
                delivery = read_delivery(record)
            except RetryRecordError as error:
                self.boundary.failed(record, Attempt(), error)
            else:
                self.runner.redeliver(delivery)
            if not self.runner.room():
                break
        self.state.positions[topic] = delayed.position

    def timers_wait_for_ends(self) -> bool:
        """Whether a timer is due and the ends of the undelayed sources must be asked for (see `ends_are`)."""
        if self.timers is None or self._fires is not None:
            return False
        due = self.timers.next_due()
        return due is not None and due <= self.now_us()

    def ends_are(self, ends: dict[str, int], asked_at: int) -> None:
        """The committed ends of the undelayed sources, seen at or after `asked_at`."""
        self._fires = (asked_at, ends)

    def fire_timers(self) -> None:
        """Fire what was due when the ends were asked for, once all up to them is begun: replies come before timers."""
        if self.timers is None or self._fires is None:
            return
        asked_at, ends = self._fires
        room = self.runner.room()
        if room and all(self.state.positions[topic] >= end for topic, end in ends.items()):
            self._fires = None
            for timer in self.timers.take_due(asked_at, room):
                self.runner.fire(timer)

    def is_dirty(self) -> bool:
        return self.state.has_effects() or self.state.has_moved()


def _rows(store: Rows, table: AnyTable) -> Iterator[tuple[bytes, Any]]:
    prefix, decode = table.spec.prefix, table.spec.decode
    return ((key[len(prefix) :], decode(data)) for key, data in store.scan(prefix))
