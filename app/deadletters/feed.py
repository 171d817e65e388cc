"""Reads DLQ and redrive topics from given positions to the ends that are committed now."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from app.streaming.errors import KafkaUnreachableError, TopicError
from app.streaming.kafka.clients import COMMON, Clients, unreachable
from app.streaming.kafka.messages import to_record
from app.streaming.record import Record, size_of

REQUEST_S = 15.0
SILENT_S = 30.0
READER = "orderflow-dead-letters"  # never joins and commits nothing
BATCH_RECORDS, BATCH_BYTES = 500, 8_000_000

Place: TypeAlias = tuple[str, int]


class Part(msgspec.Struct, frozen=True):
    """Records of one partition that follow each other; `next_offset` is where the next ones are."""

    place: Place
    begin: int
    next_offset: int
    records: Sequence[Record]


class Feed:
    """Its clients live as long as it: for who reads again and again."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self._bootstrap, self._topics = bootstrap, topics
        # what fails is raised where it was asked for
        self._admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
        self._consumer: Consumer = Clients(bootstrap, READER).restorer()
        self._places: list[Place] = []

    def close(self) -> None:
        self._consumer.close()

    def ends(self) -> dict[Place, int]:
        """Up to where each partition is committed now."""
        try:
            self._places = self._places or self._known()
            asked = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in self._places}
            answers = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=REQUEST_S
            )
            return {(one.topic, one.partition): answer.result(REQUEST_S).offset for one, answer in answers.items()}
        except KafkaException as error:
            raise unreachable(self._bootstrap, error) from error

    def parts(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Part]:
        """All that lies between, partition by partition, as far as a topic still has it."""
        for place, end in ends.items():
            begin = positions.get(place, 0)
            while begin < end:
                try:
                    part = self._part(place, begin, end)
                except KafkaException as error:
                    raise unreachable(self._bootstrap, error) from error
                yield part
                begin = part.next_offset

    def _part(self, place: Place, begin: int, end: int) -> Part:
        first, _ = self._consumer.get_watermark_offsets(TopicPartition(*place), REQUEST_S)
        records: list[Record] = []
        size, position = 0, max(begin, first)
        self._consumer.assign([TopicPartition(*place, position)])
        while position < end and len(records) < BATCH_RECORDS and size < BATCH_BYTES:
            message = self._consumer.poll(SILENT_S)
            if message is None:
                raise KafkaUnreachableError(f"{place[0]}[{place[1]}] gave nothing for {SILENT_S} s; look at the broker")
            if message.error() is None:
                records.append(to_record(message))
                size, position = size + size_of(records[-1]), message.offset() + 1
            elif message.error().name() == "_PARTITION_EOF":
                position = message.offset()  # past the markers of transactions
            else:
                raise KafkaException(message.error())
        return Part(place, begin, position, records)

    def _known(self) -> list[Place]:
        known = self._consumer.list_topics(timeout=REQUEST_S).topics
        missing = [topic for topic in self._topics if topic not in known]
        if missing:
            raise TopicError(f"topics are missing: {', '.join(missing)}; run `orderflow topics apply`")
        return [(topic, number) for topic in self._topics for number in sorted(known[topic].partitions)]
