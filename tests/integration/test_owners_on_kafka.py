"""Owners as Kafka's own group metadata names them, and keys where librdkafka puts them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Message, Producer

from app.web.owners import GroupDirectory, Owner, Owners, loopback_only
from app.web.views import partition_of
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.anyio

PARTITIONS = 4
ONE, TWO = Owner("views-1", "http://127.0.0.1:8101"), Owner("views-2", "http://127.0.0.1:8102")


@asynccontextmanager
async def member(kafka: str, group: str, topic: str, client_id: str) -> AsyncIterator[None]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=group,
        client_id=client_id,
        heartbeat_interval_ms=100,
        session_timeout_ms=6_000,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def told(directory: GroupDirectory, holds: Callable[[dict[int, Owner]], bool]) -> dict[int, Owner]:
    """What the directory comes to say of the owners."""
    known: Owners | None = None

    async def those() -> dict[int, Owner]:
        nonlocal known
        known = await directory.owners(not_those=known)
        owners = dict(known.by_partition)
        return owners if holds(owners) else {}

    return await eventually(those, "owners that are as the test expects")


async def test_owners_are_followed_through_rebalances(
    kafka: str, make_topics: Callable[[str], None], unique: Callable[[str], str]
) -> None:
    topic, group = unique("orders.events"), unique("orderflow-order-views")
    make_topics(topic)
    directory = GroupDirectory(kafka, group, loopback_only)
    assert (await directory.owners()).by_partition == {}
    async with member(kafka, group, topic, "views-1@127.0.0.1:8101"):
        alone = await told(directory, lambda owners: len(owners) == PARTITIONS)
        assert set(alone.values()) == {ONE}
        async with member(kafka, group, topic, "views-2@127.0.0.1:8102"):
            await told(
                directory, lambda owners: sorted(map(repr, owners.values())) == sorted(map(repr, [ONE, ONE, TWO, TWO]))
            )
        await told(directory, lambda owners: set(owners.values()) == {ONE} and len(owners) == PARTITIONS)


async def test_a_member_at_a_foreign_address_is_no_owner(
    kafka: str, make_topics: Callable[[str], None], unique: Callable[[str], str]
) -> None:
    topic, group = unique("orders.events"), unique("orderflow-order-views")
    make_topics(topic)
    async with (
        member(kafka, group, topic, "views-1@192.0.2.1:80"),
        member(kafka, group, topic, "views-2@127.0.0.1:8102"),
    ):
        owners = await told(GroupDirectory(kafka, group, loopback_only), lambda owners: len(owners) == 2)
        assert set(owners.values()) == {TWO}


async def test_those_who_ask_at_once_share_one_answer(kafka: str, unique: Callable[[str], str]) -> None:
    directory = GroupDirectory(kafka, unique("orderflow-order-views"), loopback_only)
    answers = await asyncio.gather(*(directory.owners() for _ in range(20)))
    assert len({id(answer) for answer in answers}) == 1


async def test_when_kafka_is_silent_the_last_owners_stand() -> None:
    directory = GroupDirectory("127.0.0.1:1", "orderflow-order-views", loopback_only)
    assert (await directory.owners()).by_partition == {}


def test_keys_are_where_librdkafka_puts_them(
    kafka: str, make_topics: Callable[[str], None], unique: Callable[[str], str]
) -> None:
    topic = unique("orders.events")
    make_topics(topic)
    placed: dict[str, int] = {}

    def note(_: object, message: Message) -> None:
        placed[(message.key() or b"").decode()] = message.partition() or 0

    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    keys = [*(f"order-{number}" for number in range(200)), "white heart", "naïve ☕", "17850", "2011-10-06"]
    for key in keys:
        producer.produce(topic, b"", key, on_delivery=note)
    assert producer.flush(PATIENCE_S) == 0
    assert placed == {key: partition_of(key, PARTITIONS) for key in keys}
