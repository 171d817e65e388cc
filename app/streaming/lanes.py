"""Runs reactions concurrently across keys and in order within a key: one lane a key.

Records are admitted in the order of their topic, up to a bound, and the position moves as they are admitted. Before a
checkpoint nothing more is begun: what is at work is finished, what waits in a lane is parked, and then the position
says exactly what was handled. So a checkpoint waits for one call of a key, not for all that a busy key has to do.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from app.observability.log import logger
from app.streaming.boundary import Boundary
from app.streaming.failures import Attempt
from app.streaming.record import Record, RecordBatch
from app.streaming.runner import DRAIN_STEP
from app.streaming.timers import TimerRow, Timers

log = logger(__name__)

ADMITTED = 64  # records of a task at work or waiting in their lanes
TIMER_POSTPONED_S = 30.0

Work: TypeAlias = Callable[[], Awaitable[None]]


class Handler(Protocol):
    """Reacts to one record or timer; raises what the failure boundary is to decide on."""

    async def to_record(self, record: Record, attempt: Attempt) -> None: ...
    async def to_timer(self, timer: TimerRow) -> None: ...
    def postpone(self, timer: TimerRow, seconds: float) -> None: ...


class Lanes:
    """The runner of a task with reactions."""

    def __init__(self, handler: Handler, boundary: Boundary, timers: Timers) -> None:
        self._handler, self._boundary, self._parking, self._timers = handler, boundary, boundary.parking, timers
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

    def redeliver(self, record: Record, attempt: Attempt) -> None:
        self._dispatch(record.key or b"", lambda: self._again(record, attempt))

    def drain(self, key: bytes) -> None:
        if key not in self._lanes:
            self._dispatch(key, lambda: self._follow(key))

    def fire(self, timer: TimerRow) -> None:
        self._dispatch(timer.key.encode(), lambda: self._fire(timer))

    def backlog(self) -> int:
        return self._waiting

    def in_flight(self) -> int:
        return self._admitted

    def room(self) -> int:
        return max(0, ADMITTED - self._admitted) if self._open else 0

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
        for job in self._jobs.values():
            job.cancel()

    def _admit(self) -> None:
        """Begin as many records as may be at work, in order; the position says what was begun."""
        while self._open and self._inbox and self._admitted < ADMITTED:
            batch, index = self._inbox.popleft()
            if index < len(batch):
                record = batch.record(index)
                self._waiting -= 1
                self._dispatch(record.key or b"", lambda record=record: self._first(record))  # type: ignore[misc]
                index += 1
            if index < len(batch):
                self._boundary.state.positions[batch.topic] = batch.record(index).offset
                self._inbox.appendleft((batch, index))
            else:
                self._boundary.state.positions[batch.topic] = batch.end

    def _dispatch(self, key: bytes, work: Work) -> None:
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
        if self._admitted == 0:
            self._idle.set()
        self._admit()

    async def _first(self, record: Record) -> None:
        if record.key is not None and (record.key in self._parking.blocked or not self._open):
            self._boundary.park(record)
        else:
            await self._attempt(record, Attempt())

    async def _again(self, record: Record, attempt: Attempt) -> None:
        if (
            record.key is not None
            and self._parking.is_head(record, attempt.number)
            and await self._attempt(record, attempt)
        ):
            self._succeeded(record.key)
            await self._follow(record.key)

    async def _follow(self, key: bytes) -> None:
        for _ in range(DRAIN_STEP):
            record = self._parking.take(key) if self._open else None
            if record is None or not await self._attempt(record, Attempt()):
                return
            self._succeeded(key)

    def _succeeded(self, key: bytes) -> None:
        self._parking.succeeded(key)
        if key not in self._parking.blocked:
            self._timers.release(key)

    async def _attempt(self, record: Record, attempt: Attempt) -> bool:
        """Answers whether the key of the record goes on."""
        try:
            await self._handler.to_record(record, attempt)
        except Exception as error:  # noqa: BLE001 - the failure boundary
            return self._boundary.failed(record, attempt, error)
        return True

    async def _fire(self, timer: TimerRow) -> None:
        if not self._timers.is_set(timer):
            return
        if timer.key.encode() in self._parking.blocked:
            self._timers.hold(timer)
            return
        if not self._open:
            self._timers.put_back(timer)
            return
        try:
            await self._handler.to_timer(timer)
        except Exception as error:  # noqa: BLE001 - the failure boundary of timers: it is tried again, never lost
            log.error("timer.failed", key=timer.key, name=timer.name, error=f"{type(error).__name__}: {error}")
            self._handler.postpone(timer, TIMER_POSTPONED_S)
