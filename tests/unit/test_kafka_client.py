"""Which client is in use, what it has taken, and what it does not send."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from app.errors import SetupError
from app.librdkafka import VARIABLE
from app.streaming.kafka import client
from app.streaming.kafka.client import AVAILABLE, client_in_use, rows_sender
from app.streaming.kafka.messages import SendRows, Taken
from app.streaming.record import Record


def test_the_fastest_client_is_in_use_unless_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert client_in_use() == AVAILABLE[0]
    monkeypatch.setenv(VARIABLE, "plain")
    assert client_in_use() == "plain"


def test_a_client_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "AVAILABLE", ("plain",))
    for asked in ("compiled", "quick"):
        monkeypatch.setenv(VARIABLE, asked)
        with pytest.raises(SetupError, match="unset it"):
            client_in_use()


def test_what_lies_before_a_position_is_left_out() -> None:
    """Offsets have gaps where transactions end."""
    records = [Record("in", 0, offset, 0, b"%d" % offset, b"v%d" % offset, ()) for offset in (3, 4, 6, 7)]
    keys, values = [record.key for record in records], [record.value for record in records]
    taken = Taken("in", 0, 3, 9, keys, values, records.__getitem__)
    later = taken.since(5)
    assert (later.begin, later.end) == (5, 9)
    assert (later.keys, later.values) == ([b"6", b"7"], [b"v6", b"v7"])
    assert [later.record(index) for index in range(2)] == records[2:]
    assert not taken.since(8).keys


@pytest.fixture(params=AVAILABLE)
def send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SendRows:
    monkeypatch.setenv(VARIABLE, request.param)
    return rows_sender()


NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
ROWS = [(b"key-%d" % number, b"row") for number in range(9)]


def test_rows_for_which_there_is_no_room_are_given_back(send: SendRows) -> None:
    producer = Producer({**NOWHERE, "queue.buffering.max.messages": 5})
    assert list(send(producer, "changelog", 0, ROWS)) == ROWS[5:]
    producer.purge()


def test_rows_outside_of_a_transaction_are_refused(send: SendRows) -> None:
    producer = Producer({**NOWHERE, "transactional.id": "some-task"})
    with pytest.raises(KafkaException) as refused:
        send(producer, "changelog", 0, ROWS)
    assert refused.value.args[0].code() == KafkaError._STATE
