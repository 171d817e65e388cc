"""What a topic holds, as a consumer of committed records sees it, and how long it is."""

import time
from functools import cached_property
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tests.waiting import PATIENCE_S


class Published(NamedTuple):
    """One record."""

    key: str
    value: bytes
    headers: list[tuple[str, bytes]]
    partition: int


class PublishedTopic:
    def __init__(self, kafka: str, topic: str, partitions: int = 4) -> None:
        self._kafka, self._topic, self._partitions = kafka, topic, partitions

    @cached_property
    def _asked(self) -> Consumer:
        """One that is kept: each client has threads and connections of its own, and the length is asked for often."""
        return self._consumer("read_uncommitted")

    def length(self) -> int:
        """Records and markers, those of open transactions too; 0 while the broker does not answer."""
        try:
            return sum(
                self._asked.get_watermark_offsets(TopicPartition(self._topic, partition), 5.0)[1]
                for partition in range(self._partitions)
            )
        except KafkaException:
            return 0

    def committed(self, at_least: int) -> list[Published]:
        """All records from the start, partition by partition, as soon as there are so many."""
        consumer = self._consumer("read_committed")
        # else it learns who leads only at its next tick, half a second later
        consumer.list_topics(self._topic, PATIENCE_S)
        consumer.assign([TopicPartition(self._topic, partition, 0) for partition in range(self._partitions)])
        records: list[Published] = []
        ended: set[int] = set()
        limit = time.monotonic() + PATIENCE_S
        while len(records) < at_least or len(ended) < self._partitions:
            assert time.monotonic() < limit, f"{len(records)} records of {at_least}"
            for message in consumer.consume(1_000, 0.1):
                error = message.error()
                if error is None:
                    ended.discard(message.partition())
                    records.append(_published(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
        consumer.close()
        return records

    def committed_by_now(self) -> list[Published]:
        """The same of a topic that goes on."""
        consumer = self._consumer("read_committed")
        places = [TopicPartition(self._topic, partition, 0) for partition in range(self._partitions)]
        ends = [consumer.get_watermark_offsets(place, PATIENCE_S)[1] for place in places]
        consumer.assign(places)
        records: list[Published] = []
        unfinished = set(range(self._partitions))
        limit = time.monotonic() + PATIENCE_S
        while unfinished:
            assert time.monotonic() < limit, f"{len(records)} records up to {ends}"
            for message in consumer.consume(1_000, 0.1):
                error, partition = message.error(), message.partition()
                if error is None and message.offset() < ends[partition]:
                    records.append(_published(message))
                elif error is None or error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(partition)
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


def _published(message: Message) -> Published:
    return Published(message.key().decode(), message.value(), list(message.headers() or []), message.partition())
