"""What a checkpoint asks of the brokers, and what it does while the coordinators that it needs are moving."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from app.streaming.kafka import checkpoint, owned
from app.streaming.kafka.checkpoint import Transactions
from app.streaming.kafka.owned import OwnedTask
from app.streaming.state import Snapshot, TaskState
from app.streaming.volatile import MemoryStore

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
    assert producer.calls == ["begin", "offsets", "offsets", "offsets", "commit", "begin"]


def test_only_the_offsets_that_have_moved_are_in_a_checkpoint() -> None:
    state = TaskState([], str, set())
    state.open(MemoryStore(), {"one": 1, "other": 1})
    state.positions["one"] = 2
    snapshot = state.snapshot()
    assert snapshot.positions == {"one": 2}
    state.persisted(snapshot)
    assert (state.durable, state.snapshot().positions) == ({"one": 2, "other": 1}, {})


@pytest.mark.anyio
async def test_a_checkpoint_that_moves_no_offset_sends_none() -> None:
    producer = Told()
    await _transactions(producer).commit(Snapshot([], [], {}))
    assert producer.calls == ["begin", "commit", "begin"]


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
async def test_a_task_that_is_left_does_not_ask_again() -> None:
    producer, leaving = Told(MOVING), asyncio.Event()
    leaving.set()
    with pytest.raises(KafkaException):
        await _transactions(producer, leaving).commit_positions({"some-topic": 3})
    assert producer.calls == ["begin", "offsets"]


@pytest.mark.anyio
async def test_a_client_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "ASK_S", 0.0)
    monkeypatch.setattr(checkpoint, "HANGS_S", 0.0)
    producer = Told()
    producer.comes_back.clear()
    with pytest.raises(TimeoutError):
        await _transactions(producer).commit_positions({"some-topic": 3})
    producer.comes_back.set()


def _owned(transactions: Transactions) -> OwnedTask:
    """An active task with nothing to write."""

    async def settled() -> None:
        return

    def nothing(*_: object) -> None:
        return

    state = SimpleNamespace(tables={}, snapshot=lambda: Snapshot([], [], {"some-topic": 3}))
    state.persisted = state.make_room = nothing
    runner, topology = SimpleNamespace(settle=settled, resume=nothing), SimpleNamespace(group="some-group")
    task: Any = SimpleNamespace(topology=topology, state=state, runner=runner, status="active", epoch=1)
    others: Any = SimpleNamespace(rows_each=1, write=nothing)
    one = OwnedTask(task, others, others, None)
    one._transactions, one.store = transactions, others
    return one


@pytest.mark.anyio
async def test_a_commit_that_waits_for_a_broker_keeps_no_other_task_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned, "ALONE_S", 0.01)
    turn, waits = asyncio.Semaphore(1), Told()
    waits.comes_back.clear()
    waiting = asyncio.create_task(_owned(_transactions(waits)).checkpoint(turn, last=True))
    await asyncio.to_thread(waits.asked.wait)
    await _owned(_transactions(Told())).checkpoint(turn, last=True)
    assert not waiting.done()
    waits.comes_back.set()
    await waiting
    assert waits.calls == ["begin", "offsets", "commit", "begin"]
