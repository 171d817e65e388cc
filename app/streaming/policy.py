"""Decides where a failed record goes. Pure: no Kafka, no clock."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from app.errors import SurroundingsError, TransientError
from app.streaming.errors import KeyMismatchError, NoKeyError, RetryRecordError
from app.streaming.record import RECORD_LIMIT, Record, size_of


class FailurePolicy(msgspec.Struct, frozen=True):
    """How a topology handles failures. Attempt n that fails transiently is repeated after `delays_ms[n - 1]`, or after
    that of `by_topic` for the records of a source; past the last delay it is exhausted.

    `jitter`: a delay is longer by up to this share of it, never shorter. `parked_most`: once so many records are parked
    behind a dead one, later ones wait as letters. `goes_on`: a dead record does not block its key.
    """

    delays_ms: tuple[int, ...]
    by_topic: Mapping[str, tuple[int, ...]] = {}
    jitter: float = 0.0
    parked_most: int = 10_000
    goes_on: bool = False

    def delays_of(self, topic: str) -> tuple[int, ...]:
        return self.by_topic.get(topic, self.delays_ms)

    def exhausted(self, topic: str, attempt: int) -> bool:
        return attempt > len(self.delays_of(topic))

    def all_delays(self) -> tuple[int, ...]:
        """Every delay once, the shortest first."""
        return tuple(sorted({*self.delays_ms, *[delay for delays in self.by_topic.values() for delay in delays]}))


class Retry(msgspec.Struct, frozen=True):
    delay_ms: int


class DeadLetter(msgspec.Struct, frozen=True):
    """`blocks`: later records of the key wait until an operator has redriven or discarded this one."""

    reason: str
    blocks: bool


Action: TypeAlias = Retry | DeadLetter


def decide(record: Record, error: BaseException, attempt: int, policy: FailurePolicy) -> Action:
    """Transient errors are retried while delays are left; all others are dead letters at once.

    A record that no topic of ours could carry is a dead letter too, and a key that none could carry blocks nothing.
    """
    may_block = not policy.goes_on and len(record.key or b"") <= RECORD_LIMIT
    if isinstance(error, TransientError) and is_portable(record):
        delays = policy.delays_of(record.topic)
        if isinstance(error, SurroundingsError) and delays:
            return Retry(delays[min(attempt, len(delays)) - 1])
        if policy.exhausted(record.topic, attempt):
            return DeadLetter("max-retries-exceeded", may_block)
        return Retry(delays[attempt - 1])
    blocks = may_block and not isinstance(error, NoKeyError | KeyMismatchError | RetryRecordError)
    return DeadLetter(getattr(error, "reason", "non-retryable"), blocks)


def is_portable(record: Record) -> bool:
    """Whether the record can be sent on as it is; a larger one has come compressed."""
    return size_of(record) <= RECORD_LIMIT
