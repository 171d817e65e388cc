"""How many rows of the outbox a producer takes, and why not the next one, whichever client sends them."""

import pytest
from confluent_kafka import KafkaError, Producer

from app.eventstore.outbox import OutboxRow
from app.eventstore.sending import AVAILABLE, SendRows, rows_sender
from app.librdkafka import VARIABLE

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
LIMIT = 2_000  # bytes of a message


def row(number: int, payload: bytes = b"event", aggregatetype: str = "orders") -> OutboxRow:
    return OutboxRow(
        f"id-{number}", aggregatetype, f"order-{number}", "Created", payload, "now", "00-1-2-01", "7", 1, True
    )


@pytest.fixture(params=AVAILABLE)
def send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SendRows:
    monkeypatch.setenv(VARIABLE, request.param)
    return rows_sender()


@pytest.fixture
def producer() -> Producer:
    return Producer({**NOWHERE, "queue.buffering.max.messages": 5, "message.max.bytes": LIMIT})


def test_all_rows_are_taken_while_there_is_room(send: SendRows, producer: Producer) -> None:
    assert send(producer, []) == (0, None)
    assert send(producer, [row(1), row(2, b"", "payments"), row(3)]) == (3, None)
    producer.purge()


def test_a_row_for_which_there_is_no_room_is_told_from_the_others(send: SendRows, producer: Producer) -> None:
    taken, error = send(producer, [row(number) for number in range(9)])
    assert taken == 5
    assert error is not None
    assert error.code() == KafkaError._QUEUE_FULL
    producer.purge()


def test_a_row_that_is_too_large_ends_it(send: SendRows, producer: Producer) -> None:
    taken, error = send(producer, [row(1), row(2, b"x" * LIMIT), row(3)])
    assert taken == 1
    assert error is not None
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    producer.purge()


def test_rows_outside_of_a_transaction_are_not_taken(send: SendRows) -> None:
    taken, error = send(Producer({**NOWHERE, "transactional.id": "some-shard"}), [row(1)])
    assert taken == 0
    assert error is not None
    assert error.code() == KafkaError._STATE
