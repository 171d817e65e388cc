"""The ends of topics that are not fetched: a client tells those of its fetches alone, and lag grows all the same."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer

from app.streaming.kafka.clients import Clients
from app.streaming.kafka.source_ends import SourceEnds
from tests.topics import MakeTopics
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.anyio


async def test_the_end_of_a_topic_is_known_though_nothing_of_it_is_fetched(
    kafka: str, make_topics: MakeTopics, unique: Callable[[str], str]
) -> None:
    name = unique("held")
    make_topics(name, partitions=1)
    task: Any = SimpleNamespace(topology=SimpleNamespace(input_topics=[name]), partition=0)
    clients = Clients(kafka, unique("group"))
    ends, producer = SourceEnds(task, clients), Producer({"bootstrap.servers": kafka})
    assert ends.are_due()
    for count in (1, 2):
        producer.produce(name, b"some")
        assert producer.flush(PATIENCE_S) == 0

        async def is_known(count: int = count) -> bool:
            await ends.ask()
            return ends.known == {name: count}

        await eventually(is_known, f"{count} records")
    assert not ends.are_due()
    clients.close()


async def test_a_broker_that_does_not_answer_leaves_what_was_known() -> None:
    task: Any = SimpleNamespace(topology=SimpleNamespace(input_topics=["some"]), partition=0)
    ends = SourceEnds(task, Clients("127.0.0.1:1", "some"))
    ends.known = {"some": 7}
    await ends.ask()
    assert ends.known == {"some": 7}
