"""What the creation of topics does while brokers come and go."""

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from app.streaming.errors import TopicError
from app.streaming.kafka import topics

ORDERS, PAYMENTS = NewTopic("orders.events", 4, 1), NewTopic("payments.events", 4, 1)


class Brokers:
    """Answer one request after another: by topic, the error of each; the others are created."""

    def __init__(self, *answers: dict[str, int]) -> None:
        self._answers = list(answers)
        self.asked: list[list[str]] = []

    def create_topics(self, new: list[NewTopic], **_: object) -> dict[str, Future[None]]:
        self.asked.append([topic.topic for topic in new])
        errors = self._answers.pop(0)
        return {topic.topic: _answer(errors.get(topic.topic)) for topic in new}


def _answer(error: int | None) -> Future[None]:
    future: Future[None] = Future()
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(KafkaException(KafkaError(error)))
    return future


def create(brokers: Any) -> None:
    topics._create(brokers, [ORDERS, PAYMENTS])


def test_what_a_broker_that_went_did_not_create_is_asked_for_again() -> None:
    gone = {ORDERS.topic: KafkaError._DESTROY_BROKER}
    brokers = Brokers(gone, gone, {})
    create(brokers)
    assert brokers.asked == [[ORDERS.topic, PAYMENTS.topic], [ORDERS.topic], [ORDERS.topic]]


def test_a_topic_that_was_created_without_an_answer_is_there() -> None:
    brokers = Brokers({ORDERS.topic: KafkaError._TIMED_OUT}, {ORDERS.topic: KafkaError.TOPIC_ALREADY_EXISTS})
    create(brokers)
    assert len(brokers.asked) == 2


def test_what_does_not_pass_is_an_error_that_names_the_topic() -> None:
    with pytest.raises(TopicError, match=PAYMENTS.topic):
        create(Brokers({PAYMENTS.topic: KafkaError.INVALID_REPLICATION_FACTOR}))


def test_brokers_that_stay_away_are_an_error_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "REQUEST_S", 0.0)
    with pytest.raises(TopicError, match=ORDERS.topic):
        create(Brokers(*[{ORDERS.topic: KafkaError._TRANSPORT}] * 1_000))
