"""Relays that are killed at random points, and relays whose servers are.

`KILLS=20` is the long form.
"""

import asyncio
import os
import random
import signal
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from app.domain.events import Item
from app.embedded.kafka import KafkaServer
from app.embedded.postgres import PostgresServer
from app.eventstore.blocked import listed, try_again
from app.eventstore.postgres import PostgresEventStore
from app.serde.topics import ORDERS_EVENTS
from tests.chaos.relays import CODEC, appending, check_published, owner_of_most, relays
from tests.contract.order_streams import created, history
from tests.integration.published_topic import PublishedTopic
from tests.killing import kill
from tests.topics import take_at_most
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("KILLS", "6"))
BLOCKED_KILLS = max(4, KILLS // 2)
REFUSED_BYTES = 20_000


async def test_killed_relays_publish_every_event_once_and_in_order(
    own_kafka: KafkaServer, database: str, tmp_path: Path
) -> None:
    chance, topic = random.Random(9), PublishedTopic(own_kafka.bootstrap, ORDERS_EVENTS)
    with relays(2, own_kafka.bootstrap, database, tmp_path) as pair:
        async with PostgresEventStore(database, CODEC) as store, appending(store, orders=20) as appended:
            for number in range(KILLS):
                # the other one owns the shards since this one was killed last
                length = topic.length() + chance.randrange(200)
                await eventually(lambda length=length: topic.length() > length)  # type: ignore[misc]
                await asyncio.to_thread(pair[number % 2].kill)
        records = await asyncio.to_thread(topic.committed, len(appended))
    check_published(records, appended)


async def test_killed_relays_keep_a_refused_order_back_and_lose_and_double_nothing_of_it(
    own_kafka: KafkaServer, database: str, tmp_path: Path
) -> None:
    """Four relays; the order is refused until half of the kills are done. Others go on; it comes whole in the end."""
    chance, topic = random.Random(4), PublishedTopic(own_kafka.bootstrap, ORDERS_EVENTS)
    refused, items = str(uuid4()), tuple(Item(sku=uuid4().hex, quantity=1, unit_price_minor=1) for _ in range(1_000))
    large = msgspec.structs.replace(created(refused), items=items)
    take_at_most(own_kafka.bootstrap, ORDERS_EVENTS, REFUSED_BYTES)
    with relays(4, own_kafka.bootstrap, database, tmp_path) as four:
        async with PostgresEventStore(database, CODEC) as store, appending(store, orders=20) as appended:
            await store.append(refused, 0, [large, *history(refused, 2, 5)], command_id=uuid4())
            await eventually(lambda: [one.aggregateid for one in listed(database)] == [refused])
            for number in range(BLOCKED_KILLS):
                if number == BLOCKED_KILLS // 2:
                    take_at_most(own_kafka.bootstrap, ORDERS_EVENTS, 1_000_000)
                    try_again(database, [refused])
                length = topic.length() + chance.randrange(200)
                await eventually(lambda length=length: topic.length() > length)  # type: ignore[misc]
                await asyncio.to_thread(owner_of_most(four).kill)
            await eventually(lambda: listed(database) == [])
            version = len(await store.read(refused))
            await store.append(refused, version, history(refused, version + 1, version + 1), command_id=uuid4())
            appended.extend(event.event_id for event in await store.read(refused))
        records = await asyncio.to_thread(topic.committed, len(appended))
    check_published(records, appended)


async def test_a_stalled_relay_is_replaced_and_adds_nothing_when_it_goes_on(
    own_kafka: KafkaServer, database: str, tmp_path: Path
) -> None:
    topic = PublishedTopic(own_kafka.bootstrap, ORDERS_EVENTS)
    with relays(2, own_kafka.bootstrap, database, tmp_path) as pair:
        async with PostgresEventStore(database, CODEC) as store, appending(store, orders=20) as appended:
            await eventually(lambda: sum(len(relay.shards_owned()) for relay in pair) == 2)
            stalled = owner_of_most(pair)
            (other,) = set(pair) - {stalled}
            assert stalled.process is not None
            stalled.process.send_signal(signal.SIGSTOP)
            await eventually(lambda: len(other.shards_owned()) == 2)
            stalled.process.send_signal(signal.SIGCONT)
            await eventually(lambda: stalled.ready() and other.ready())
            length = topic.length()
            await eventually(lambda: topic.length() > length + 100)
        records = await asyncio.to_thread(topic.committed, len(appended))
    check_published(records, appended)


async def test_a_relay_outlives_its_servers_and_ends_when_told(
    own_kafka: KafkaServer, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    topic = PublishedTopic(own_kafka.bootstrap, ORDERS_EVENTS)
    with relays(1, own_kafka.bootstrap, own_postgres.dsn, tmp_path) as (relay,):
        async with PostgresEventStore(own_postgres.dsn, CODEC) as store, appending(store, orders=20) as appended:
            for server in (own_kafka, own_postgres, own_kafka):
                length = topic.length()
                await eventually(lambda length=length: topic.length() > length + 100)  # type: ignore[misc]
                kill(server)
                await asyncio.to_thread(server.start)
        records = await asyncio.to_thread(topic.committed, len(appended))
        await eventually(relay.ready)
        assert relay.end(signal.SIGTERM) == 0
    check_published(records, appended)
