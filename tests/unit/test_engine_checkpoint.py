"""What a checkpoint does while the coordinators that it needs are moving."""

import asyncio
import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from app.streaming.kafka import checkpoint
from app.streaming.kafka.checkpoint import Transactions

MOVING = KafkaError(KafkaError.CONCURRENT_TRANSACTIONS, "concurrent", False, True)
REFUSED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "refused", False, False)


class Told:
    """A producer whose sending of offsets fails of these errors first, and takes until `comes_back` each time."""

    def __init__(self, *errors: KafkaError) -> None:
        self._errors = list(errors)
        self.comes_back = threading.Event()
        self.comes_back.set()
        self.asked = threading.Event()
        self.calls: list[str] = []

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def send_offsets_to_transaction(self, *_: object) -> None:
        self.calls.append("offsets")
        self.asked.set()
        self.comes_back.wait()
        if self._errors:
            raise KafkaException(self._errors.pop(0))

    def commit_transaction(self, _: float) -> None:
        self.calls.append("commit")


class Offsets:
    def consumer_group_metadata(self) -> object:
        return object()


def _transactions(producer: Told, leaving: asyncio.Event | None = None) -> Transactions:
    clients: Any = (producer, Offsets())
    return Transactions(clients[0], clients[1], 0, "tables=", leaving)


@pytest.mark.anyio
async def test_offsets_are_sent_again_in_the_same_transaction_while_a_coordinator_moves() -> None:
    producer = Told(MOVING, MOVING)
    await _transactions(producer).commit_positions({"some-topic": 3})
    assert producer.calls == ["begin", "offsets", "offsets", "offsets", "commit"]


@pytest.mark.anyio
async def test_what_does_not_pass_is_raised_at_once() -> None:
    producer = Told(REFUSED)
    with pytest.raises(KafkaException):
        await _transactions(producer).commit_positions({"some-topic": 3})
    assert producer.calls == ["begin", "offsets"]


@pytest.mark.anyio
async def test_a_moving_coordinator_is_waited_for_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "OFFSETS_S", 0.0)
    with pytest.raises(KafkaException):
        await _transactions(Told(*[MOVING] * 1_000)).commit_positions({"some-topic": 3})


@pytest.mark.anyio
async def test_a_task_that_is_left_does_not_wait_for_a_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the thread that was given up ask again, once its client is retired."""
    monkeypatch.setattr(checkpoint, "LEAVE_S", 0.0)
    producer, leaving = Told(*[MOVING] * 1_000), asyncio.Event()
    producer.comes_back.clear()
    transactions = _transactions(producer, leaving)
    committing = asyncio.create_task(transactions.commit_positions({"some-topic": 3}))
    await asyncio.to_thread(producer.asked.wait)
    leaving.set()
    with pytest.raises(TimeoutError):
        await committing
    transactions.retire()
    given_up = [thread for thread in threading.enumerate() if thread.name == "kafka-call"]
    producer.comes_back.set()
    for thread in given_up:
        await asyncio.to_thread(thread.join, 10)
    assert producer.calls == ["begin", "offsets"]
