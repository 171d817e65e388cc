"""The one failure boundary of a task: turns an error of a record into a retry or a dead letter, and blocks its key."""

from collections.abc import Callable

import msgspec

from app.errors import SurroundingsError
from app.observability.log import logger
from app.observability.metrics import DEAD_LETTERS, RETRIES
from app.streaming.errors import StoreError, TooLargeError
from app.streaming.failures import (
    Attempt,
    DeadLetter,
    Retry,
    RetryPolicy,
    dead_letter,
    decide,
    is_portable,
    retry_record,
)
from app.streaming.parking import Parking
from app.streaming.record import Record, size_of
from app.streaming.state import TaskState
from app.streaming.timers import Timers

log = logger(__name__)

BEHIND = "parked-behind"


class Boundary:
    """What it produces and blocks is part of the same checkpoint that moves past the record."""

    def __init__(
        self,
        group: str,
        partition: int,
        policy: RetryPolicy,
        state: TaskState,
        parking: Parking,
        timers: Timers | None,
        now_us: Callable[[], int],
    ) -> None:
        self.group, self.partition, self.policy = group, partition, policy
        self.state, self.parking, self.timers, self.now_us = state, parking, timers, now_us

    def failed(self, record: Record, attempt: Attempt, error: Exception) -> bool:
        """The record's handling raised: send it on, and keep the order of its key behind it.

        Answers whether the key goes on as if the record had been handled, since it was set aside and blocks nothing.
        """
        if isinstance(error, StoreError):  # no fault of the record: its task goes back
            raise error
        action = decide(record, error, attempt.number, self.policy)
        if isinstance(action, Retry):
            log.info("record.retried", **self._fields(record, attempt, error), delay_ms=action.delay_ms)
            RETRIES.labels(self.group, action.delay_ms).inc()
            now_ms = self.now_us() // 1000
            if isinstance(error, SurroundingsError):  # the same attempt is made again
                attempt = msgspec.structs.replace(attempt, number=attempt.number - 1)
            output = retry_record(self.group, record, self.partition, attempt, action.delay_ms, now_ms)
            self.state.outputs.append(output)
        else:
            self._set_aside(record, attempt, error, action.reason)
        if isinstance(action, DeadLetter) and not action.blocks:
            return True
        if record.key is not None:
            if isinstance(action, Retry):
                self.parking.block(record.key, record, attempt.number + 1)
            else:
                self.parking.block(record.key, record, attempt.number, dead=True)
        return False

    def park(self, record: Record) -> None:
        """Let a record wait behind the head of its key; one that no topic of ours could carry is set aside instead."""
        if is_portable(record):
            self.parking.park(record)
            return
        error = TooLargeError(f"a record of {size_of(record)} bytes cannot wait behind the head of its key")
        self._set_aside(record, Attempt(), error, BEHIND)

    def _set_aside(self, record: Record, attempt: Attempt, error: Exception, reason: str) -> None:
        log.warning("record.dead_lettered", **self._fields(record, attempt, error), reason=reason)
        DEAD_LETTERS.labels(self.group, reason).inc()
        now_ms = self.now_us() // 1000
        self.state.outputs.append(dead_letter(self.group, record, self.partition, attempt, error, reason, now_ms))

    def _fields(self, record: Record, attempt: Attempt, error: Exception) -> dict[str, object]:
        return {
            "group": self.group,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": (record.key or b"").decode(errors="replace"),
            "attempt": attempt.number,
            "error": f"{type(error).__name__}: {error}"[:500],
        }
