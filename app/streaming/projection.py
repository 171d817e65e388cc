"""Processors without I/O: fold each event into the row of its key, and feed the changes to other keys.

The step of a record is one closure over the task's tables: decode, check the key, fold, put. A record has all of its
effects or none, since everything that can fail comes before the first of them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from app.errors import SurroundingsError
from app.streaming.boundary import Boundary
from app.streaming.errors import KeyMismatchError, NoKeyError
from app.streaming.failures import Attempt, Delivery
from app.streaming.pauses import has_ended
from app.streaming.record import Output, Record, RecordBatch
from app.streaming.runner import AGAIN_US, DRAIN_STEP, TURN_STEP, Hold
from app.streaming.state import TaskState
from app.streaming.table import AnyTable, TableSpec, row_key
from app.streaming.timers import TimerRow
from app.streaming.topology import Repartition, Source, TaskBatch, Topology

RowT = TypeVar("RowT")
ValueT = TypeVar("ValueT")

Step: TypeAlias = Callable[[bytes | None, bytes | None], None]


class Feed(Protocol):
    """A repartition topic and the changes that a changed row sends to it."""

    def outputs(self, old: Any, new: Any) -> Iterable[Output]: ...


class RowFeed(Generic[RowT, ValueT]):
    """Fed only from row changes really applied, so the folds behind it need no guard against repetition."""

    def __init__(self, into: Repartition[ValueT], changes: Callable[[RowT | None, RowT], Iterable[ValueT]]) -> None:
        self._into, self._changes = into, changes

    def outputs(self, old: RowT | None, new: RowT) -> list[Output]:
        topic, key, encode = self._into.topic, self._into.codec.key, self._into.encode
        return [Output(topic, key(change), encode(change)) for change in self._changes(old, new)]


class Route(msgspec.Struct, frozen=True):
    """How the records of one source change one table; without `key` the row has the record's key."""

    source: Source[Any]
    table: str
    fold: Callable[[Any, Any], Any]
    key: Callable[[Any], tuple[str, ...]] | None
    feeds: tuple[Feed, ...]

    def load(self, state: TaskState, keys: Sequence[bytes | None]) -> None:
        """Read the rows of a batch at once."""
        if self.key is None:
            state.tables[self.table].load([key for key in keys if key is not None])

    def bind(self, state: TaskState) -> Step:
        table: AnyTable = state.tables[self.table]
        decode, key_of, fold, row_of = self.source.codec.decode, self.source.codec.key, self.fold, self.key
        get, put, feeds, checked = table.get, table.put, self.feeds, state.checked

        def step(key: bytes | None, value: bytes | None) -> None:
            if key is None:
                raise NoKeyError("the record has no key; produce it with the key of its event")
            event = decode(value)
            if key_of(event) != key:
                raise KeyMismatchError(f"the record's key {key!r} is not that of its event, {key_of(event)!r}")
            row = key if row_of is None else row_key(row_of(event))
            old = get(row)
            new = fold(old, event)
            if new is None:
                return
            if not feeds:
                put(row, new)
                return
            outputs = [checked(output) for feed in feeds for output in feed.outputs(old, new)]
            put(row, new)
            state.outputs.extend(outputs)

        return step


class Projections:
    """The processor of a topology that only folds. A fold answers the new row, or None when nothing changes."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._routes: dict[str, Route] = {}
        topology.runner = self.bind

    def add(
        self,
        *sources: Source[ValueT],
        into: TableSpec[RowT],
        fold: Callable[[RowT | None, ValueT], RowT | None],
        key: Callable[[ValueT], tuple[str, ...]] | None = None,
        feeds: tuple[Feed, ...] = (),
    ) -> None:
        """Fold `sources` into a table, under the record's key or under `key(event)`. A source feeds one table."""
        table = self._topology.table(into)
        for source in sources:
            if source.topic in self._routes:
                fed = self._routes[source.topic].table
                raise ValueError(f"{source.topic} feeds {fed} already; feed the other table from that one")
            self._routes[source.topic] = Route(source, table.name, fold, key, feeds)

    async def process(self, batch: TaskBatch) -> None:
        """Hand the batch to its task."""
        batch.deliver()

    def bind(self, boundary: Boundary) -> "ProjectionRunner":
        return ProjectionRunner(self._routes, boundary)


class _NotBegunError(Exception):
    """What the record at `index` of a batch needs is away."""

    def __init__(self, index: int, why: SurroundingsError) -> None:
        super().__init__(why)
        self.index, self.why = index, why


class ProjectionRunner:
    """Runs the steps of one task at once, on the caller's time: nothing is ever in flight.

    A record that cannot be begun, since what it needs is away, stays where it is, with all that was taken after it.
    """

    def __init__(self, routes: dict[str, Route], boundary: Boundary) -> None:
        self._routes, self._boundary, self._parking = routes, boundary, boundary.parking
        self._steps = {topic: route.bind(boundary.state) for topic, route in routes.items()}
        self._waiting: deque[tuple[RecordBatch, int]] = deque()
        self._hold: Hold | None = None
        self._left = TURN_STEP

    def take(self, batch: RecordBatch) -> None:
        self._waiting.append((batch, 0))
        if self._hold is None:
            self._handle_waiting()

    def go_on(self) -> None:
        self._left = TURN_STEP
        if self._hold is not None and has_ended(self._hold.until, self._boundary.now_us(), AGAIN_US):
            self._hold = None
            self._handle_waiting()

    def _handle_waiting(self) -> None:
        while self._waiting:
            batch, begin = self._waiting.popleft()
            try:
                self._take(batch, begin)
            except _NotBegunError as stopped:
                self._waiting.appendleft((batch, stopped.index))
                self._boundary.state.positions[batch.topic] = batch.record(stopped.index).offset
                self._hold = Hold("paused", str(stopped.why), self._boundary.now_us() + AGAIN_US)
                return

    def _take(self, batch: RecordBatch, begin: int) -> None:
        state, blocked = self._boundary.state, self._parking.blocked
        step, keys = self._steps[batch.topic], batch.keys
        self._routes[batch.topic].load(state, keys)
        if not blocked or blocked.keys().isdisjoint(keys):
            begin = self._run(step, batch, begin)
        for index in range(begin, len(batch)):
            if keys[index] in blocked:
                self._boundary.park(batch.record(index))
            else:
                self._begin_one(step, batch, index)
        state.positions[batch.topic] = batch.end

    def _run(self, step: Step, batch: RecordBatch, begin: int) -> int:
        """Handle records until the first that fails, that one included; answer where the next one is."""
        done = begin
        try:
            for key, value in zip(batch.keys[begin:], batch.values[begin:], strict=True):
                step(key, value)
                done += 1
        except SurroundingsError as error:
            raise _NotBegunError(done, error) from error
        except Exception as error:  # noqa: BLE001 - the failure boundary
            self._boundary.failed(batch.record(done), Attempt(), error)
            done += 1
        return done

    def _begin_one(self, step: Step, batch: RecordBatch, index: int) -> None:
        try:
            step(batch.keys[index], batch.values[index])
        except SurroundingsError as error:
            raise _NotBegunError(index, error) from error
        except Exception as error:  # noqa: BLE001 - the failure boundary
            self._boundary.failed(batch.record(index), Attempt(), error)

    def _handle(self, record: Record, attempt: Attempt) -> bool:
        """A record that comes back. Answers whether its key goes on."""
        self._left -= 1
        try:
            self._steps[record.topic](record.key, record.value)
        except Exception as error:  # noqa: BLE001 - the failure boundary
            return self._boundary.failed(record, attempt, error)
        self._boundary.handled(record, attempt)
        return True

    def redeliver(self, delivery: Delivery) -> None:
        key = delivery.record.key
        if self._boundary.admits(delivery) and self._handle(delivery.record, delivery.attempt):
            self._boundary.goes_on(key)
            if key is not None:
                self.drain(key)

    def drain(self, key: bytes) -> None:
        for _ in range(min(DRAIN_STEP, self._left)):
            follower = self._boundary.next_of(key)
            if follower is None or not self._handle(follower.record, follower.attempt):
                return
            self._boundary.goes_on(key)

    def fire(self, timer: TimerRow) -> None:
        raise TypeError(f"a projection sets no timers, yet one is due: {timer}")

    def backlog(self) -> int:
        return sum([len(batch) - begin for batch, begin in self._waiting])

    def hold(self) -> Hold | None:
        return self._hold

    def in_flight(self) -> int:
        return 0

    def room(self) -> int:
        return self._left if self._hold is None else 0

    def check(self) -> None:
        """What broke it was raised at once."""

    async def settle(self) -> None:
        """Nothing is in flight."""

    def resume(self) -> None:
        """Nothing was held."""

    def close(self) -> None:
        """Nothing is held."""
