"""Appends what many callers ask for in few statements: one transaction, one flush to disk for all that wait.

A command's order has no other command in flight; each statement takes its commands sorted by order, so that two
statements, of whatever process, wait for each other in one direction only.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg

from app.errors import OrderflowError
from app.eventstore.batch import APPEND, Command, failure, outcomes, parameters
from app.eventstore.port import Appended, StoreBusyError, StoreUnavailableError
from app.eventstore.session import Session
from app.observability.metrics import APPEND_BATCH, APPEND_SECONDS

# larger ones gain little: while one statement runs, the next one is put together
MAX_BATCH = 32
MAX_BATCH_BYTES = 4_000_000
MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64_000_000


class GroupCommit:
    """Runs one flusher per session. `on_append` is called after each statement that wrote something."""

    def __init__(self, sessions: Sequence[Session], on_append: Callable[[], None]) -> None:
        self._sessions, self._on_append = sessions, on_append
        self._ready: asyncio.Queue[Command] = asyncio.Queue()
        # of each order with a command in flight or ready: those behind it
        self._behind: dict[UUID, deque[Command]] = {}
        self._waiting = self._waiting_bytes = 0
        self._flushers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._flushers = [asyncio.create_task(self._flush(session)) for session in self._sessions]

    def submit(self, command: Command) -> None:
        """Takes the command in; its `outcome` will be set. `StoreBusyError` when too many wait."""
        if self._waiting >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            raise StoreBusyError(f"{self._waiting} commands wait already; send this one again after a moment")
        self._waiting += 1
        self._waiting_bytes += command.size
        behind = self._behind.get(command.stream)
        if behind is None:
            self._behind[command.stream] = deque()
            self._ready.put_nowait(command)
        else:
            behind.append(command)

    async def stop(self, limit_seconds: float) -> None:
        """Ends after the commands that are here have their outcomes, or after the limit."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.join(), limit_seconds)
        for flusher in self._flushers:
            flusher.cancel()
        await asyncio.gather(*self._flushers, return_exceptions=True)

    async def _flush(self, session: Session) -> None:
        while True:
            taken = [await self._ready.get()]
            room = MAX_BATCH_BYTES - taken[0].size
            while len(taken) < MAX_BATCH and room > 0 and not self._ready.empty():
                taken.append(self._ready.get_nowait())
                room -= taken[-1].size
            # a caller who no longer waits has seen its command fail: do not append it behind his back;
            # by the number, since UUIDs themselves compare in Python
            batch = sorted((command for command in taken if not command.outcome.done()), key=lambda c: c.stream.int)
            if batch:
                for command, outcome in zip(batch, await self._append(session, batch), strict=True):
                    _settle(command, outcome)
            for command in taken:
                self._release(command)

    async def _append(
        self, session: Session, batch: Sequence[Command], *, again: bool = True
    ) -> list[Appended | OrderflowError]:
        begin = time.perf_counter()
        try:
            rows = await session.run(APPEND, parameters(batch))
        except StoreUnavailableError as error:
            return [StoreUnavailableError(str(error)) for _ in batch]
        except psycopg.Error as error:
            # whoever was first with the same command id is seen, once the statement is sent again
            is_rival = isinstance(error, psycopg.errors.UniqueViolation)
            if len(batch) == 1 and not (is_rival and again):
                return [failure(error)]
            # one of them is at fault: each stands for itself
            again = len(batch) > 1
            return [outcome for one in batch for outcome in await self._append(session, [one], again=again)]
        APPEND_BATCH.observe(len(batch))
        APPEND_SECONDS.observe(time.perf_counter() - begin)
        self._on_append()
        return outcomes(batch, rows)

    def _release(self, command: Command) -> None:
        self._waiting -= 1
        self._waiting_bytes -= command.size
        behind = self._behind[command.stream]
        if behind:
            self._ready.put_nowait(behind.popleft())
        else:
            del self._behind[command.stream]
        self._ready.task_done()


def _settle(command: Command, outcome: Appended | OrderflowError) -> None:
    if command.outcome.done():
        return
    if isinstance(outcome, Appended):
        command.outcome.set_result(outcome)
    else:
        command.outcome.set_exception(outcome)
