"""What goes to and from each client: records as they stand in their topic, from where it was told to; rows by key."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition

from app.librdkafka import VARIABLE
from app.streaming.kafka.client import AVAILABLE, intake_of, rows_sender
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import Fetcher
from app.streaming.kafka.log import read_topic
from app.streaming.record import Headers, Record, RecordBatch
from tests.topics import MakeTopics
from tests.waiting import eventually

RECORDS = 10
TURNS = 300

Sent: TypeAlias = tuple[bytes | None, bytes | None, Headers]

pytestmark = pytest.mark.anyio


class Topic:
    """One partition, and a fetcher."""

    def __init__(self, kafka: str, name: str) -> None:
        self.kafka, self.name = kafka, name
        self.fetcher = Fetcher(Clients(kafka, name).fetcher())
        self.errors: list[int] = []

    def send(self, *records: Sent) -> None:
        """In one transaction."""
        producer = Producer({"bootstrap.servers": self.kafka, "transactional.id": self.name})
        producer.init_transactions(30)
        producer.begin_transaction()
        for number, (key, value, headers) in enumerate(records):
            producer.produce(self.name, value, key, 0, timestamp=1000 + number, headers=list(headers))
        producer.commit_transaction(30)
        producer.close()

    async def until(self, is_there: Callable[[list[RecordBatch]], bool]) -> list[RecordBatch]:
        """What is fetched until it is that; at the latest after so many waits for a record."""
        batches: list[RecordBatch] = []
        for _ in range(TURNS):
            if is_there(batches):
                break
            batches += await self.fetcher.fetch(lambda *told: self.errors.append(told[2].code()))
        return batches

    async def up_to(self, end: int) -> list[RecordBatch]:
        batches = await self.until(lambda batches: bool(batches) and batches[-1].end >= end)
        assert batches[-1].end == end
        return batches


@pytest.fixture(params=AVAILABLE)
async def topic(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kafka: str,
    make_topics: MakeTopics,
    unique: Callable[[str], str],
) -> AsyncIterator[Topic]:
    monkeypatch.setenv(VARIABLE, request.param)
    name = unique("fetch")
    make_topics(name, partitions=1)
    topic = Topic(kafka, name)
    yield topic
    await topic.fetcher.close()


async def test_records_are_given_as_they_stand_in_the_topic(topic: Topic) -> None:
    """A batch ends behind the marker of the transaction, which is no record."""
    sent: list[Sent] = [
        (b"key", b"value", [("first", b"1"), ("none", None), ("first", b"")]),
        (None, b"", []),
        (b"", None, [("naïve", "naïve".encode())]),
    ]
    topic.send(*sent)
    topic.fetcher.assign(0, {topic.name: 0})
    batches = await topic.up_to(len(sent) + 1)
    assert [key for batch in batches for key in batch.keys] == [key for key, _, _ in sent]
    assert [value for batch in batches for value in batch.values] == [value for _, value, _ in sent]
    assert [batch.record(index) for batch in batches for index in range(len(batch))] == [
        Record(topic.name, 0, number, 1000 + number, key, value, headers or ())
        for number, (key, value, headers) in enumerate(sent)
    ]


async def test_it_goes_on_from_where_it_was_told_to(topic: Topic) -> None:
    """However soon after the last time: the client ends an assignment in its own time."""
    topic.send(*[(b"key", b"%d" % number, []) for number in range(RECORDS)])
    for begin in (0, 7, 0, 3, 7):
        topic.fetcher.assign(0, {topic.name: begin})
        batches = await topic.up_to(RECORDS + 1)
        assert batches[0].begin == begin
        assert [value for batch in batches for value in batch.values] == [b"%d" % at for at in range(begin, RECORDS)]


async def test_a_topic_that_was_held_is_fetched_again_once_its_task_is_assigned_anew(topic: Topic) -> None:
    topic.send(*[(b"key", b"value", [])] * RECORDS)
    topic.fetcher.assign(0, {topic.name: 0})
    await topic.up_to(RECORDS + 1)
    topic.fetcher.hold(topic.name, 0, hold=True)
    topic.fetcher.assign(0, {topic.name: 0})
    topic.fetcher.hold(topic.name, 0, hold=False)
    await topic.up_to(RECORDS + 1)


async def test_a_position_that_the_log_lacks_is_told(topic: Topic) -> None:
    topic.fetcher.assign(0, {topic.name: 5})
    assert not await topic.until(lambda batches: bool(batches or topic.errors))
    assert topic.errors == [KafkaError._AUTO_OFFSET_RESET]


async def test_a_wait_for_records_is_not_over_when_a_partition_has_no_more(topic: Topic) -> None:
    """Every marker of a transaction moves an end: it is told, but not by a turn of the worker for it alone."""
    consumer = Clients(topic.kafka, topic.name).fetcher()
    intake, wait_s, ends = intake_of(consumer), 0.3, 0
    intake.add(topic.name, 0)
    consumer.assign([TopicPartition(topic.name, 0, 0)])
    for _ in range(TURNS):
        began = time.monotonic()
        ends += len(await asyncio.to_thread(intake.take, 10, wait_s))
        assert time.monotonic() - began > 0.9 * wait_s
        if ends:
            break
    assert ends == 1
    intake.close()
    consumer.close()


async def test_a_batch_may_be_held_while_the_fetch_is_closed(topic: Topic) -> None:
    """The client would wait for messages that it has given out."""
    topic.send(*[(b"key", b"value", [])] * RECORDS)
    topic.fetcher.assign(0, {topic.name: 0})
    batches = await topic.up_to(RECORDS + 1)
    await topic.fetcher.close()
    topic.fetcher = Fetcher(Clients(topic.kafka, topic.name).fetcher())
    assert sum(len(batch) for batch in batches) == RECORDS


async def test_rows_are_sent_by_their_keys_to_one_partition(topic: Topic, make_topics: MakeTopics) -> None:
    changelog, producer = f"{topic.name}-changelog", Clients(topic.kafka, topic.name).producer(topic.name)
    make_topics(changelog, partitions=2)
    rows = [(b"one", b"1"), (b"deleted", None), (b"empty", b""), (b"one", b"2")]
    producer.init_transactions(30)
    producer.begin_transaction()
    assert not rows_sender()(producer, changelog, 1, rows)
    producer.commit_transaction(30)
    producer.close()

    def found() -> list[tuple[int, bytes | None, bytes | None]]:
        return [(record.partition, record.key, record.value) for record in read_topic(topic.kafka, changelog)]

    await eventually(lambda: found() == [(1, key, row) for key, row in rows], "the rows are there, and no more")
