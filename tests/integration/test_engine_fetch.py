"""The fetch of a worker goes on where it was told to, whatever was held before."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import Fetcher
from tests.conftest import MakeTopics

RECORDS = 10
TURNS = 100

pytestmark = pytest.mark.anyio


async def fetched(fetcher: Fetcher, topic: str, end: int, turns: int = TURNS) -> int:
    """The end of what was fetched, at the latest after so many waits for a record."""
    at = 0
    while at < end and turns:
        turns -= 1
        for batch in await fetcher.fetch(lambda *_: None):
            assert batch.topic == topic
            at = batch.end
    return at


async def test_a_topic_that_was_held_is_fetched_again_once_its_task_is_assigned_anew(
    kafka: str, make_topics: MakeTopics, unique: Callable[[str], str]
) -> None:
    topic = unique("held")
    make_topics(topic, partitions=1)
    producer = Producer({"bootstrap.servers": kafka})
    for _ in range(RECORDS):
        producer.produce(topic, b"record")
    producer.flush()
    fetcher = Fetcher(Clients(kafka, unique("fetch")).fetcher())
    try:
        fetcher.assign(0, {topic: 0})
        assert await fetched(fetcher, topic, RECORDS) == RECORDS
        fetcher.hold(topic, 0, hold=True)
        fetcher.assign(0, {topic: 0})
        fetcher.hold(topic, 0, hold=False)
        assert await fetched(fetcher, topic, RECORDS) == RECORDS
    finally:
        await fetcher.close()
