"""The one failure boundary of a task: turns an error of a record into a retry or a dead letter, and blocks its key."""

from collections.abc import Callable

import msgspec

from app.errors import SurroundingsError
from app.observability.log import logger
from app.observability.metrics import DEAD_LETTERS, RETRIES
from app.streaming.blocked import Follower
from app.streaming.errors import ParkedBehindError, StoreError
from app.streaming.failures import Attempt, Behind, Delivery, Redrive, dead_letter, retry_record
from app.streaming.letters import Result, outcome_output
from app.streaming.parking import Parking
from app.streaming.policy import FailurePolicy, Retry, decide, is_portable
from app.streaming.record import Record
from app.streaming.state import TaskState
from app.streaming.timers import Timers

log = logger(__name__)

BEHIND = "parked-behind"


class Boundary:
    """What it produces and blocks is part of the same checkpoint that moves past the record.

    So is what became of a letter that was sent back: its outcome is committed with its effects or not at all.
    """

    def __init__(
        self,
        group: str,
        partition: int,
        policy: FailurePolicy,
        state: TaskState,
        parking: Parking,
        timers: Timers | None,
        now_us: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self.wake = wake
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
            self._retry(record, attempt, error, action.delay_ms)
            return False
        self._set_aside(record, attempt, error, action.reason)
        if attempt.redrive is not None:
            self._tell(attempt.redrive, record.key, "dead")
        if action.blocks and record.key is not None:
            self.parking.block(record.key, record, attempt.number, dead=True, redrives=attempt.redrives)
        else:
            self.parking.set_aside(record, attempt.redrives)
        return not action.blocks

    def handled(self, record: Record, attempt: Attempt) -> None:
        """The record's handling did not raise."""
        if attempt.redrive is not None:
            self._tell(attempt.redrive, record.key, "resolved")

    def park(self, record: Record) -> None:
        """Let a record wait behind the head of its key: as a letter where no topic of ours could carry it, or where
        many wait and only an operator can end that."""
        key = record.key or b""
        state = self.parking.blocked.get(key)
        is_full = state is not None and state.waits_for_operator and state.parked >= self.policy.parked_most
        if is_portable(record) and not is_full:
            self.parking.park(record)
            return
        behind = self.parking.pass_by(record)
        error = ParkedBehindError(f"{behind.sequence - 1} others wait before it, behind {behind.head}")
        self._set_aside(record, Attempt(), error, BEHIND, behind)

    def admits(self, delivery: Delivery) -> bool:
        """Whether a record that comes back is handled now. One that waits behind another is parked again, one that is
        dropped lets its key go on; a redrive that is out of turn is returned, and any other repetition ignored."""
        record, attempt = delivery.record, delivery.attempt
        if delivery.action == "retry" or attempt.redrive is None:
            return record.key is not None and self.parking.is_head(record, attempt)
        discard = delivery.action == "discard"
        if delivery.behind is not None:
            if not self.parking.take_back(record, attempt.redrive, delivery.behind, discard=discard):
                self._tell(attempt.redrive, record.key, "returned")
            return False
        if not self._is_its_turn(record, attempt):
            self._tell(attempt.redrive, record.key, "returned")
            return False
        if discard:
            self._tell(attempt.redrive, record.key, "discarded")
            self.goes_on(record.key)
        return not discard

    def _is_its_turn(self, record: Record, attempt: Attempt) -> bool:
        if record.key is not None and record.key in self.parking.blocked:
            return self.parking.is_head(record, attempt, dead=True)
        return self.parking.pick_up(record, attempt.redrives - 1)

    def next_of(self, key: bytes) -> Follower | None:
        """The next record of a draining key to be handled; None when there is none now."""
        while (follower := self.parking.take(key)) is not None and follower.discard:
            if follower.attempt.redrive is not None:
                self._tell(follower.attempt.redrive, key, "discarded")
            self.goes_on(key)
        return follower

    def let_go_on(self) -> None:
        """Where dead records do not block their keys, let those go on that one has blocked before that was so."""
        for key, head in self.parking.dead_heads() if self.policy.goes_on else ():
            self.parking.set_aside(head, head.redrives)
            self.goes_on(key)

    def goes_on(self, key: bytes | None) -> None:
        """The record that the key waited for is done with: what waits behind it follows."""
        if key is None or key not in self.parking.blocked:
            return
        self.parking.succeeded(key)
        if self.timers is not None and key not in self.parking.blocked:
            self.timers.release(key)

    def _retry(self, record: Record, attempt: Attempt, error: Exception, delay_ms: int) -> None:
        log.info("record.retried", **self._fields(record, attempt, error), delay_ms=delay_ms)
        RETRIES.labels(self.group, delay_ms).inc()
        now_ms = self.now_us() // 1000
        if isinstance(error, SurroundingsError):  # the same attempt is made again
            attempt = msgspec.structs.replace(attempt, number=attempt.number - 1)
        self.state.outputs.append(retry_record(self.group, record, self.partition, attempt, delay_ms, now_ms))
        if record.key is not None:
            self.parking.block(record.key, record, attempt.number + 1, redrives=attempt.redrives)

    def _set_aside(
        self, record: Record, attempt: Attempt, error: Exception, reason: str, behind: Behind | None = None
    ) -> None:
        log.warning("record.dead_lettered", **self._fields(record, attempt, error), reason=reason)
        DEAD_LETTERS.labels(self.group, reason).inc()
        now_ms = self.now_us() // 1000
        letter = dead_letter(self.group, record, self.partition, attempt, error, reason, now_ms, behind)
        self.state.outputs.append(letter)

    def _tell(self, redrive: Redrive, key: bytes | None, result: Result) -> None:
        log.info("letter." + result, group=self.group, letter=redrive.letter, run=redrive.run)
        now_ms = self.now_us() // 1000
        self.state.outputs.append(outcome_output(self.group, redrive, result, key, self.partition, now_ms))

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
