"""Reads topics and groups as they stand: what is committed, from the first record to the end."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from time import monotonic
from typing import Any, TypeAlias

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from app.errors import SetupError

LIMIT = 30.0
BATCH = 5_000
Place: TypeAlias = tuple[str, int]
Offsets: TypeAlias = dict[Place, int]


class KafkaReader:
    """One cluster, read without a group and without leaving a trace. Blocks: call it from a thread."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        # silent: what goes wrong comes as an error
        self._client = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._admin = AdminClient(self._client)

    def topics(self) -> dict[str, int]:
        """The partition count of every topic."""
        try:
            metadata = self._admin.list_topics(timeout=LIMIT)
        except KafkaException as error:
            raise SetupError(f"Kafka at {self._bootstrap} does not answer ({error}); start it, then verify") from None
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def records(self, topics: Sequence[str]) -> Iterator[Any]:
        """Every committed record of the topics, in order within a partition, up to the end as it is on arrival."""
        counts = self.topics()
        places = [(topic, partition) for topic in topics for partition in range(counts.get(topic, 0))]
        yield from self._read(dict.fromkeys(places, OFFSET_BEGINNING))

    def holds_records(self, since: Offsets) -> set[Place]:
        """Where a committed record lies at or after the offset; a transaction's marker is none."""
        found: set[Place] = set()
        with closing(self._read(since)) as messages:
            for message in messages:
                found.add((message.topic(), message.partition()))
                if found == since.keys():
                    break
        return found

    def ends(self, topics: Sequence[str], *, committed: bool = True) -> Offsets:
        """The offset after the last record of each partition; `committed`: before the first open transaction."""
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        counts = self.topics()
        asked = {
            TopicPartition(topic, partition): OffsetSpec.latest()
            for topic in topics
            for partition in range(counts.get(topic, 0))
        }
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, isolation_level=level, request_timeout=LIMIT)
        return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}

    def committed(self, group: str) -> Offsets:
        answers = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=LIMIT)
        places = answers[group].result().topic_partitions
        return {(place.topic, place.partition): place.offset for place in places}

    def members(self, group: str) -> list[str]:
        """The client ids of the group's members."""
        described = self._admin.describe_consumer_groups([group], request_timeout=LIMIT)[group].result()
        return sorted({member.client_id for member in described.members})

    def _read(self, starts: Offsets) -> Generator[Any]:
        if not starts:
            return
        consumer = Consumer(
            {
                **self._client,
                "group.id": "orderflow-verify",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 20,
                "fetch.wait.max.ms": 20,
                "queued.max.messages.kbytes": 16_384,
            }
        )
        try:
            # else it would learn of the partitions' leaders only at its next tick, half a second later
            consumer.list_topics(timeout=LIMIT)
            consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in starts.items()])
            yield from self._to_the_ends(consumer, set(starts))
        finally:
            consumer.close()

    def _to_the_ends(self, consumer: Any, unfinished: set[Place]) -> Iterator[Any]:
        heard = monotonic()
        while unfinished:
            messages = consumer.consume(BATCH, 0.1)
            heard = monotonic() if messages else heard
            if monotonic() - heard > LIMIT:
                raise SetupError(f"no record and no end for {LIMIT:.0f} s on {sorted(unfinished)}; look at the brokers")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard((message.topic(), message.partition()))
                elif not error.retriable():
                    raise SetupError(f"{message.topic()} cannot be read: {error}; look at the brokers")
