"""Processors with a gateway: event -> call to the outside -> outcome. Concurrent across keys, in order within one.

The rules are pure (see `app.domain.step`); this file asks them, makes their calls, and applies their steps. A call that
fails transiently is a failure of its record (retried with backoff); once the retries are exhausted, the rules say what
the outcome is. A timer's call has no record to retry: its failure is `exhausted` at once.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from app.errors import PermanentError, SurroundingsError, TransientError
from app.observability.log import logger
from app.observability.metrics import GATEWAY_CALLS, GATEWAY_SECONDS, OUTAGES
from app.streaming.boundary import Boundary
from app.streaming.brake import Brake, BrakePolicy
from app.streaming.errors import KeyMismatchError, NoKeyError, OutageError, ReactionTimeoutError
from app.streaming.failures import Attempt
from app.streaming.lanes import Lanes
from app.streaming.record import Output, Record
from app.streaming.table import AnyTable, TableSpec
from app.streaming.timers import TimerRow, Timers, timer_table
from app.streaming.topology import Source, TaskBatch, Topology

log = logger(__name__)


class StepResult(Protocol):
    """What the rules answer: see `app.domain.step.Step`."""

    @property
    def row(self) -> Any: ...
    @property
    def events(self) -> Sequence[Any]: ...
    @property
    def timers(self) -> Sequence[Any]: ...
    @property
    def call(self) -> object | None: ...
    @property
    def revoked(self) -> Sequence[str]: ...
    @property
    def failures(self) -> Sequence[Any]: ...


class Rules(Protocol):
    """Pure functions over (row, cause, now); a module will do."""

    def begin(self, row: Any, cause: Any, now: int, /) -> StepResult: ...
    def conclude(self, row: Any, cause: Any, call: Any, answer: Any, now: int, /) -> StepResult: ...
    def exhausted(self, row: Any, cause: Any, call: Any, now: int, /) -> StepResult: ...
    def abandoned(self, cause: Any, call: Any, error: str, now: int, /) -> Sequence[Any]:
        """What an operator is told of a call that the other side will never take: its record is dead, or its timer
        goes on in vain."""
        ...


class Gateway(Protocol):
    """Performs a call to the outside world; raises a `TransientError` for what may succeed later."""

    async def perform(self, call: Any) -> object: ...


class Reactions:
    """The processor of a topology that acts on the outside world."""

    def __init__(
        self,
        topology: Topology,
        *sources: Source[Any],
        rules: Rules,
        rows: TableSpec[Any],
        timer: type[TimerRow],
        gateway: Gateway,
        emit: Callable[[Any], Output],
        limit_s: float,
        brake: BrakePolicy,
    ) -> None:
        self.codecs = {source.topic: source.codec for source in sources}
        self.rules, self.gateway, self.emit, self.limit_s = rules, gateway, emit, limit_s
        self.brake = Brake(brake)
        self._retrying: dict[int, int] = {}
        self.rows, self.timers = topology.table(rows).name, topology.table(timer_table(timer)).name
        topology.runner = self.bind

    async def process(self, batch: TaskBatch) -> None:
        """Hand the batch to its task."""
        batch.deliver()

    def bind(self, boundary: Boundary) -> Lanes:
        timers = boundary.timers
        if timers is None:
            raise TypeError("a topology with reactions has a table of timers")
        self._retrying[boundary.partition] = boundary.parking.retrying_keys()
        self.brake.doubt(sum(self._retrying.values()), boundary.now_us())
        return Lanes(Reaction(self, boundary, timers), boundary, timers, self.brake)


class Reaction:
    """The reactions of one task: records and timers in, rows, events and timers out."""

    def __init__(self, of: Reactions, boundary: Boundary, timers: Timers) -> None:
        self._of, self._boundary, self._timers = of, boundary, timers
        self._table: AnyTable = boundary.state.tables[of.rows]

    def prepare(self, record: Record) -> None:
        self._of.codecs[record.topic].prepare(record.value)

    async def to_record(self, record: Record, attempt: Attempt) -> None:
        """Handle one record; what it raises is for the failure boundary."""
        if record.key is None:
            raise NoKeyError("the record has no key; produce it with the key of its event")
        codec = self._of.codecs[record.topic]
        event = codec.decode(record.value)
        if codec.key(event) != record.key:
            raise KeyMismatchError(f"the record's key {record.key!r} is not that of its event, {codec.key(event)!r}")
        row, now = self._table.get(record.key), self._boundary.now_us()
        step = self._of.rules.begin(row, event, now)
        if step.call is not None:
            policy = self._boundary.policy
            last, waits = policy.exhausted(record.topic, attempt.number), bool(policy.delays_of(record.topic))
            step = await self._call(record.key, row, event, step.call, give_up=last, waits=waits)
        self._apply(record.key, step)

    async def to_timer(self, timer: TimerRow) -> None:
        """Fire one timer: its effects and its deletion are one step."""
        key = timer.key.encode()
        row = self._table.get(key)
        step = self._of.rules.begin(row, timer, self._boundary.now_us())
        if step.call is not None:
            step = await self._call(key, row, timer, step.call, give_up=True, waits=False)
        self._apply(key, step, fired=timer)

    async def _call(self, key: bytes, row: Any, cause: Any, call: object, *, give_up: bool, waits: bool) -> StepResult:
        """`give_up`: no retry is left; `waits`: the cause can be retried without counting that."""
        rules = self._of.rules
        try:
            answer = await self._bounded(call)
        except SurroundingsError:  # it says nothing of the party
            raise
        except TransientError as error:
            counts = self._failed(key, call, error)
            if waits and not counts:
                raise OutageError(f"calls fail for many keys, this one too: {error}") from error
            if not give_up:
                raise
            return rules.exhausted(row, cause, call, self._boundary.now_us())
        except PermanentError as error:
            self._answered()
            told = rules.abandoned(cause, call, str(error), self._boundary.now_us())
            self._boundary.state.outputs.extend([self._boundary.state.checked(self._of.emit(one)) for one in told])
            raise
        self._answered()
        return rules.conclude(row, cause, call, answer, self._boundary.now_us())

    def _failed(self, key: bytes, call: object, error: TransientError) -> bool:
        """Tell the brake; whether the failure counts as an attempt."""
        brake, group = self._of.brake, self._boundary.group
        counts = brake.failed(key, self._boundary.now_us())
        if counts and not brake.is_open():
            OUTAGES.labels(group).inc()
            log.error("outage.began", group=group, call=type(call).__name__, error=str(error)[:500])
        return counts

    def _answered(self) -> None:
        brake = self._of.brake
        was_open = brake.is_open()
        brake.answered()
        if brake.is_open() and not was_open:
            log.info("outage.ended", group=self._boundary.group)

    async def _bounded(self, call: object) -> object:
        labels, began, outcome = (self._boundary.group, type(call).__name__), time.monotonic(), "failed"
        try:
            async with asyncio.timeout(self._of.limit_s):
                answer = await self._of.gateway.perform(call)
        except TimeoutError as error:
            outcome = "timed-out"
            raise ReactionTimeoutError(f"{labels[1]} had no answer within {self._of.limit_s} s") from error
        else:
            outcome = "answered"
            return answer
        finally:
            GATEWAY_CALLS.labels(*labels, outcome).inc()
            GATEWAY_SECONDS.labels(*labels).observe(time.monotonic() - began)
            _check_cancelled()

    def _apply(self, key: bytes, step: StepResult, fired: TimerRow | None = None) -> None:
        """All of the step or, when something of it is too large, nothing."""
        outputs = [self._boundary.state.checked(self._of.emit(told)) for told in (*step.events, *step.failures)]
        if step.row is not None:
            self._table.put(key, step.row)
        self._boundary.state.outputs.extend(outputs)
        if fired is not None:
            self._timers.delete(fired)
        for name in step.revoked:
            self._timers.revoke(key.decode(), name)
        for timer in step.timers:
            self._timers.set(timer)


def _check_cancelled() -> None:
    """One that was deaf to its cancellation, and ends late, must not act on a task that has gone back meanwhile."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
