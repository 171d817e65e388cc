"""Runs reactions concurrently across keys and in order within a key: one lane a key.

Records are admitted in the order of their topic, up to a bound, and the position moves as they are admitted. Before a
checkpoint nothing more is begun: what is at work is finished, what waits in a lane is parked, and then the position
says exactly what was handled. So a checkpoint waits for one call of a key, not for all that a busy key has to do.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from app.errors import SurroundingsError
from app.observability.log import logger
from app.streaming.boundary import Boundary
from app.streaming.brake import Brake
from app.streaming.errors import StoreError
from app.streaming.failures import Attempt, Delivery
from app.streaming.record import Record, RecordBatch
from app.streaming.runner import AGAIN_US, DRAIN_STEP, Hold
from app.streaming.timers import TimerRow, Timers

log = logger(__name__)

ADMITTED = 64  # records of a task at work or waiting in their lanes
TIMER_POSTPONED_US = 30_000_000

Work: TypeAlias = Callable[[], Awaitable[None]]


class Handler(Protocol):
    """Reacts to one record or timer; raises what the failure boundary is to decide on."""

    def prepare(self, record: Record) -> None:
        """Raises a `SurroundingsError` while the record cannot be begun."""
        ...

    async def to_record(self, record: Record, attempt: Attempt) -> None: ...
    async def to_timer(self, timer: TimerRow) -> None: ...


class Lanes:
    """The runner of a task with reactions."""

    def __init__(self, handler: Handler, boundary: Boundary, timers: Timers, brake: Brake) -> None:
        self._handler, self._boundary, self._parking, self._timers = handler, boundary, boundary.parking, timers
        self._brake = brake
        self._probe: bytes | None = None
        self._paused: Hold | None = None
        self._inbox: deque[tuple[RecordBatch, int]] = deque()
        self._waiting = 0
        self._lanes: dict[bytes, deque[Work]] = {}
        self._jobs: dict[bytes, asyncio.Task[None]] = {}
        self._admitted = 0
        self._open = True
        self._fault: Exception | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def take(self, batch: RecordBatch) -> None:
        self._inbox.append((batch, 0))
        self._waiting += len(batch)
        self._admit()

    def redeliver(self, delivery: Delivery) -> None:
        self._dispatch(delivery.record.key or b"", lambda: self._again(delivery))

    def drain(self, key: bytes) -> None:
        if key not in self._lanes and (self._brake.is_open() or self.room()):
            self._dispatch(key, lambda: self._follow(key))

    def fire(self, timer: TimerRow) -> None:
        self._dispatch(timer.key.encode(), lambda: self._fire(timer))

    def backlog(self) -> int:
        return self._waiting

    def in_flight(self) -> int:
        return self._admitted

    def room(self) -> int:
        if not self._open:
            return 0
        if self._brake.is_open():
            return max(0, ADMITTED - self._admitted)
        return int(self._brake.lets_probe(self._boundary.now_us()))

    def go_on(self) -> None:
        self._admit()

    def hold(self) -> Hold | None:
        if self._brake.state == "open":
            return self._paused
        return Hold(self._brake.state, "calls fail for many keys; one at a time is tried", self._brake.until)

    def check(self) -> None:
        if self._fault is not None:
            raise self._fault

    async def settle(self) -> None:
        self._open = False
        await self._idle.wait()
        self.check()

    def resume(self) -> None:
        self._open = True
        self._admit()

    def close(self) -> None:
        self._open = False
        self._inbox.clear()
        self._probe_ended()
        for job in self._jobs.values():
            job.cancel()
        self._idle.set()  # nobody waits for what ends now

    def _admit(self) -> None:
        """Begin as many records as may be at work, in order; the position says what was begun."""
        while self._inbox and self.room():
            batch, index = self._inbox[0]
            if index < len(batch):
                record = batch.record(index)
                if not self._may_begin(record):
                    return
                self._waiting -= 1
                self._dispatch(record.key or b"", lambda record=record: self._first(record))  # type: ignore[misc]
                index += 1
            self._inbox.popleft()
            if index < len(batch):
                self._boundary.state.positions[batch.topic] = batch.record(index).offset
                self._inbox.appendleft((batch, index))
            else:
                self._boundary.state.positions[batch.topic] = batch.end

    def _may_begin(self, record: Record) -> bool:
        try:
            self._handler.prepare(record)
        except SurroundingsError as error:
            self._paused = Hold("paused", str(error), self._boundary.now_us() + AGAIN_US)
        else:
            self._paused = None
        return self._paused is None

    def _dispatch(self, key: bytes, work: Work) -> None:
        if not self._brake.is_open():
            self._brake.probe()
            self._probe = key
        self._admitted += 1
        self._idle.clear()
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(work)
            return
        self._lanes[key] = deque((work,))
        self._jobs[key] = asyncio.get_running_loop().create_task(self._run(key))

    async def _run(self, key: bytes) -> None:
        lane = self._lanes[key]
        while lane:
            try:
                await lane.popleft()()
            except Exception as error:  # noqa: BLE001 - not of the record, which has its boundary: of disk or engine
                self._fault = error
            self._admitted -= 1
        del self._lanes[key], self._jobs[key]
        self._boundary.wake()
        if key == self._probe:
            self._probe_ended()
        if self._admitted == 0:
            self._idle.set()
        self._admit()

    def _probe_ended(self) -> None:
        if self._probe is not None:
            self._probe = None
            self._brake.passed(self._boundary.now_us())

    def _begins(self) -> bool:
        """Whether what waits in a lane is begun."""
        return self._open and self._brake.state != "braking"

    async def _first(self, record: Record) -> None:
        if record.key is not None and (record.key in self._parking.blocked or not self._begins()):
            self._boundary.park(record)
        else:
            await self._attempt(record, Attempt())

    async def _again(self, delivery: Delivery) -> None:
        key = delivery.record.key
        if self._boundary.admits(delivery) and await self._attempt(delivery.record, delivery.attempt):
            self._boundary.goes_on(key)
            if key is not None:
                await self._follow(key)

    async def _follow(self, key: bytes) -> None:
        for _ in range(DRAIN_STEP):
            follower = self._boundary.next_of(key) if self._begins() else None
            if follower is None or not await self._attempt(follower.record, follower.attempt):
                return
            self._boundary.goes_on(key)

    async def _attempt(self, record: Record, attempt: Attempt) -> bool:
        """Answers whether the key of the record goes on."""
        try:
            await self._handler.to_record(record, attempt)
        except Exception as error:  # noqa: BLE001 - the failure boundary
            return self._boundary.failed(record, attempt, error)
        self._boundary.handled(record, attempt)
        return True

    async def _fire(self, timer: TimerRow) -> None:
        if not self._timers.is_set(timer):
            return
        if timer.key.encode() in self._parking.blocked and not self._timers.only_looks(timer):
            self._timers.hold(timer)
            return
        if not self._begins():
            self._timers.put_back(timer)
            return
        try:
            await self._handler.to_timer(timer)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the failure boundary of timers: it is tried again, never lost
            log.error("timer.failed", key=timer.key, name=timer.name, error=f"{type(error).__name__}: {error}")
            self._timers.postpone(timer, self._boundary.now_us() + TIMER_POSTPONED_US)
