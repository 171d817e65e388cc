"""Reads a topic from its beginning to the end that it has now."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.streaming.errors import TopicError
from app.streaming.kafka.clients import Clients, unreachable
from app.streaming.kafka.messages import to_record
from app.streaming.record import Record

REQUEST_S = 15.0
SILENT_S = 30.0
READER = "orderflow-reader"  # never joins and commits nothing


def read_topic(bootstrap: str, topic: str) -> Iterator[Record]:
    """Every committed record, partition by partition (blocking)."""
    consumer = Clients(bootstrap, READER).restorer()
    try:
        for partition in _partitions(consumer, bootstrap, topic):
            consumer.assign([TopicPartition(topic, partition, 0)])
            while True:
                message = consumer.poll(SILENT_S)
                if message is None:
                    raise TopicError(f"{topic}[{partition}] gave nothing for {SILENT_S} s; look at the broker")
                if message.error() is None:
                    yield to_record(message)
                elif message.error().name() == "_PARTITION_EOF":
                    break
                else:
                    raise KafkaException(message.error())
    finally:
        consumer.close()


def _partitions(consumer: Consumer, bootstrap: str, topic: str) -> list[int]:
    try:
        known = consumer.list_topics(topic, REQUEST_S).topics[topic]
    except KafkaException as error:
        raise unreachable(bootstrap, error) from error
    if known.error is not None:
        raise TopicError(f"topic {topic} cannot be read ({known.error}); run `orderflow topics apply`")
    return sorted(known.partitions)
