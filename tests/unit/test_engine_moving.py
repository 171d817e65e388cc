"""What a task does while the leaders it asks are being elected."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from app.streaming.kafka import moving


class Forgetful:
    """A client that keeps to "no leader" until it asks for all topics, as librdkafka's does."""

    def __init__(self, error: int, refreshes: int) -> None:
        self._error, self.left = error, refreshes

    def get_watermark_offsets(self, _: TopicPartition, *__: object, **___: object) -> tuple[int, int]:
        if self.left:
            raise KafkaException(KafkaError(self._error))
        return 3, 7

    def list_topics(self, *_: object, **__: object) -> None:
        self.left -= 1


@pytest.mark.parametrize(
    "error", [KafkaError._UNKNOWN_PARTITION, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TIMED_OUT]
)
def test_ends_are_known_once_the_client_has_asked_for_the_new_leader(error: int) -> None:
    consumer = Forgetful(error, refreshes=2)
    assert moving.ends(consumer, "some-topic", 0) == (3, 7)
    assert consumer.left == 0


def test_another_error_is_raised_at_once() -> None:
    consumer = Forgetful(KafkaError.TOPIC_AUTHORIZATION_FAILED, refreshes=1)
    with pytest.raises(KafkaException):
        moving.ends(consumer, "some-topic", 0)
    assert consumer.left == 1


def test_a_partition_that_has_no_leader_for_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "ELECTION_S", 0.0)
    with pytest.raises(KafkaException):
        moving.ends(Forgetful(KafkaError._UNKNOWN_PARTITION, refreshes=1_000), "some-topic", 0)


def _kafka(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


@pytest.mark.parametrize(
    "trouble", [TimeoutError(), _kafka(KafkaError._UNKNOWN_PARTITION), _kafka(KafkaError.NOT_COORDINATOR)]
)
def test_a_move_of_leaders_passes(trouble: Exception) -> None:
    assert moving.passes(trouble)


@pytest.mark.parametrize(
    "trouble", [OSError(), _kafka(KafkaError._FENCED), _kafka(KafkaError.TOPIC_AUTHORIZATION_FAILED)]
)
def test_a_stale_owner_and_what_somebody_must_mend_do_not_pass(trouble: Exception) -> None:
    assert not moving.passes(trouble)
