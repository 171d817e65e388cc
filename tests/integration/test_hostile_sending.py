"""Hostile records reach a real topic byte for byte, the largest ones too."""

from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, Message, TopicPartition

from app.cli.producing.hostile import LARGEST_EVERY, LARGEST_VALUE_BYTES, HostileRecord, poison
from app.cli.producing.sending import send
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from tests.topics import MakeTopics
from tests.waiting import PATIENCE_S

PARTITIONS = 4


def all_of(kafka: str, topic: str, count: int) -> Iterator[Message]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    for _ in range(count):
        message = consumer.poll(PATIENCE_S)
        assert message is not None
        assert message.error() is None
        yield message
    consumer.close()


def as_sent(message: Message) -> HostileRecord:
    headers = tuple((name, value) for name, value in message.headers() or [])
    kind = dict(headers)["fault"].decode()
    return HostileRecord(kind=kind, key=message.key(), value=message.value(), headers=headers)


def test_hostile_records_arrive_as_they_were_made(
    kafka: str, make_topics: MakeTopics, unique: Callable[[str], str]
) -> None:
    topic = unique("hostile")
    make_topics(topic, partitions=PARTITIONS)
    made = list(poison(committed_registry(), ORDERS_EVENTS, 7, LARGEST_EVERY))
    assert send(kafka, ((topic, record) for record in made)) == len(made)
    arrived = [as_sent(message) for message in all_of(kafka, topic, len(made))]
    assert max(len(record.value or b"") for record in arrived) == LARGEST_VALUE_BYTES
    assert sorted(arrived, key=repr) == sorted(made, key=repr)
