"""What a topic holds, as a consumer of committed records sees it, and how long it is."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tests.waiting import PATIENCE_S, until

PARTITIONS = 4


class Published(NamedTuple):
    """One record."""

    key: str
    value: bytes
    headers: list[tuple[str, bytes]]
    partition: int


class PublishedTopic:
    def __init__(self, kafka: str, topic: str) -> None:
        self._kafka, self._topic = kafka, topic
        self._places = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]

    @cached_property
    def _asked(self) -> Consumer:
        """One that is kept: each client has threads and connections of its own, and the length is asked for often."""
        return self._consumer("read_uncommitted")

    def length(self) -> int:
        """Records and markers, those of open transactions too; 0 while the broker does not answer."""
        try:
            return sum(self._asked.get_watermark_offsets(place, 5.0)[1] for place in self._places)
        except KafkaException:
            return 0

    def committed(self, at_least: int) -> list[Published]:
        """All records from the start, partition by partition, as soon as there are so many."""
        consumer = self._consumer("read_committed")
        # else it learns who leads only at its next tick, half a second later
        consumer.list_topics(self._topic, PATIENCE_S)
        consumer.assign(self._places)
        records: list[Published] = []
        ended: set[int] = set()

        def are_all() -> bool:
            for message in _arrived(consumer):
                error = message.error()
                if error is None:
                    ended.discard(message.partition())
                    records.append(_published(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
            return len(records) >= at_least and len(ended) == PARTITIONS

        until(are_all, f"{at_least} records of {self._topic}")
        consumer.close()
        return records

    def committed_by_now(self) -> list[Published]:
        """The same of a topic that goes on."""
        consumer = self._consumer("read_committed")
        ends = [consumer.get_watermark_offsets(place, PATIENCE_S)[1] for place in self._places]
        consumer.assign(self._places)
        records: list[Published] = []
        unfinished = set(range(PARTITIONS))

        def are_all() -> bool:
            for message in _arrived(consumer):
                error, partition = message.error(), message.partition()
                if error is None and message.offset() < ends[partition]:
                    records.append(_published(message))
                elif error is None or error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(partition)
            return not unfinished

        until(are_all, f"the records of {self._topic} up to {ends}")
        consumer.close()
        return records

    def _consumer(self, isolation: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": "test",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,  # the end of a partition is told by an empty answer
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )


def _arrived(consumer: Consumer) -> Iterator[Message]:
    """What has come by now; a moment without anything ends it."""
    while messages := consumer.consume(1_000, 0.1):
        yield from messages


def _published(message: Message) -> Published:
    return Published(message.key().decode(), message.value(), list(message.headers() or []), message.partition())
