"""Sends hostile records to topics, as they are."""

from collections.abc import Iterable

from confluent_kafka import KafkaException, Producer

from app.cli.producing.hostile import HostileRecord
from app.errors import TransientError

FLUSH_SECONDS = 60.0
LARGEST_MESSAGE_BYTES = 2 * 1024 * 1024  # the topic is to judge the size, not this producer


class KafkaUnavailableError(TransientError):
    """The broker did not take the records in time."""


def send(kafka: str, records: Iterable[tuple[str, HostileRecord]]) -> int:
    """Produces each record to its topic; returns their number when the broker has them all."""
    failed: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "partitioner": "murmur2_random",
            "message.max.bytes": LARGEST_MESSAGE_BYTES,
            "message.timeout.ms": int(FLUSH_SECONDS * 1000),
            "log_level": 0,  # what failed is told by the callbacks
        }
    )
    count = 0
    for topic, record in records:
        _produce(producer, topic, record, failed)
        count += 1
    left = producer.flush(FLUSH_SECONDS)
    if left or failed:
        what = failed[0] if failed else f"{left} records were not acknowledged"
        raise KafkaUnavailableError(f"{kafka}: {what}; look at the broker and run the command again")
    return count


def _produce(producer: Producer, topic: str, record: HostileRecord, failed: list[str]) -> None:
    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    while True:
        try:
            producer.produce(topic, record.value, record.key, on_delivery=delivered, headers=list(record.headers))
        except BufferError:
            producer.poll(1.0)  # the queue is full: it empties as the broker answers
        except KafkaException as error:
            raise KafkaUnavailableError(f"{topic}: {error}; look at the broker and run the command again") from None
        else:
            producer.poll(0)
            return
