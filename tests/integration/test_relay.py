"""The relay on real servers: what it publishes, in which order, and from where it goes on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from app.domain.events import Event, OrderCancelled, OrderConfirmed
from app.errors import SetupError
from app.eventstore import backlog
from app.eventstore.outbox_parts import OutboxParts
from app.eventstore.port import EventStore
from app.eventstore.postgres import PostgresEventStore
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from app.eventstore.sending import AVAILABLE
from app.librdkafka import VARIABLE
from app.observability.metrics import exposition
from app.serde.cloudevents import headers
from tests.chaos.relays import CODEC
from tests.contract.order_streams import added, created, envelope, history
from tests.integration.published_topic import PublishedTopic
from tests.integration.relaying import insert_row, publish_to, running
from tests.topics import MakeTopics
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def group(unique: Callable[[str], str]) -> str:
    return unique("relay")


@pytest.fixture
def topic(database: str, make_topics: MakeTopics, unique: Callable[[str], str]) -> str:
    """The topic to which this database's outbox is published."""
    aggregatetype = unique("orders")
    publish_to(database, aggregatetype)
    make_topics(f"{aggregatetype}.events")
    return f"{aggregatetype}.events"


@pytest.fixture
async def store(database: str) -> AsyncIterator[EventStore]:
    async with PostgresEventStore(database, CODEC) as postgres:
        yield postgres


@pytest.fixture
def relay(kafka: str, database: str, group: str, topic: str) -> Relay:
    return Relay(database, lambda shard: Publisher(kafka, group, topic, shard))


async def append(store: EventStore, events: list[Event]) -> None:
    first = events[0]
    await store.append(first.order_id, first.version - 1, events, command_id=uuid4())


async def published(kafka: str, topic: str, at_least: int) -> list[Event]:
    records = await asyncio.to_thread(PublishedTopic(kafka, topic).committed, at_least)
    return [CODEC.decode(record.value) for record in records]


@pytest.mark.parametrize("client", AVAILABLE)
async def test_an_event_is_published_with_its_value_headers_and_key(
    kafka: str, topic: str, relay: Relay, store: EventStore, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, client)
    order_id = str(uuid4())
    events: list[Event] = [
        created(order_id),
        added(order_id, 2),
        OrderConfirmed(**envelope(order_id, 3), customer_id="12923", currency="GBP", total_minor=3060),
        OrderCancelled(**envelope(order_id, 4), customer_id="12923", reason="no"),
    ]
    await append(store, events)
    with running(relay):
        records = await asyncio.to_thread(PublishedTopic(kafka, topic).committed, len(events))

    source = f"/orderflow/{topic.removesuffix('.events')}".encode()  # that of the topic of this test
    expected = [
        [(name, source if name == "ce_source" else value) for name, value in headers(event)] for event in events
    ]
    assert [record.value for record in records] == [CODEC.encode(event) for event in events]
    assert [record.headers for record in records] == expected
    assert {record.key for record in records} == {order_id}
    assert len({record.partition for record in records}) == 1


async def test_a_later_relay_goes_on_where_the_last_one_ended(
    kafka: str, topic: str, database: str, group: str, relay: Relay, store: EventStore
) -> None:
    order_id = str(uuid4())
    await append(store, history(order_id, 1, 5))
    with running(relay):
        assert len(await published(kafka, topic, 5)) == 5
    await append(store, history(order_id, 6, 8))
    with running(Relay(database, lambda shard: Publisher(kafka, group, topic, shard))):
        assert [event.version for event in await published(kafka, topic, 8)] == list(range(1, 9))


async def test_the_relay_goes_on_from_one_partition_of_the_outbox_to_the_next(
    kafka: str, topic: str, database: str, relay: Relay, store: EventStore
) -> None:
    order_id, parts = str(uuid4()), OutboxParts(database, timedelta(0))
    with running(relay):
        await append(store, history(order_id, 1, 5))
        await published(kafka, topic, 5)
        await eventually(lambda: _copied(database) == 5)
        await asyncio.to_thread(parts.tend, threading.Event())
        await append(store, history(order_id, 6, 8))
        assert [event.version for event in await published(kafka, topic, 8)] == list(range(1, 9))
        await eventually(lambda: _copied(database) == 8)
        assert await asyncio.to_thread(parts.tend, threading.Event()) != []
        await append(store, history(order_id, 9, 9))
        assert [event.version for event in await published(kafka, topic, 9)] == list(range(1, 10))


async def test_the_copy_of_the_position_serves_when_the_offsets_of_the_group_are_gone(
    kafka: str, admin: AdminClient, topic: str, database: str, group: str, relay: Relay, store: EventStore
) -> None:
    order_id = str(uuid4())
    await append(store, history(order_id, 1, 5))
    with running(relay):
        await published(kafka, topic, 5)
        await eventually(lambda: _copied(database) == 5)
    admin.delete_consumer_groups([group])[group].result(PATIENCE_S)
    await append(store, history(order_id, 6, 6))
    with running(Relay(database, lambda shard: Publisher(kafka, group, topic, shard))):
        assert [event.version for event in await published(kafka, topic, 6)] == [1, 2, 3, 4, 5, 6]


async def test_the_committed_offsets_count_what_was_published(
    kafka: str, admin: AdminClient, topic: str, database: str, group: str, relay: Relay, store: EventStore
) -> None:
    for _ in range(20):
        await append(store, [created(str(uuid4()))])
    with running(relay):
        await published(kafka, topic, 20)
        await eventually(lambda: _copied(database) == 20)
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, shard) for shard in range(2)])
    offsets = admin.list_consumer_group_offsets([asked])[group].result(PATIENCE_S).topic_partitions
    assert sum(offset.offset for offset in offsets) == 20


async def test_an_append_is_waited_for_behind_a_transaction_that_began_before_it(
    kafka: str, topic: str, database: str, relay: Relay, store: EventStore
) -> None:
    slow, quick = UUID(int=2), UUID(int=4)  # of the same shard
    with running(relay), psycopg.connect(database) as earlier:
        _insert(earlier, slow)
        await append(store, [created(str(quick))])
        await eventually(lambda: _waiting(database) == 1)
        assert await published(kafka, topic, 0) == []
        earlier.commit()
        events = await published(kafka, topic, 2)
    assert {event.order_id for event in events} == {str(slow), str(quick)}


async def test_who_holds_back_the_relay_is_named_until_that_has_ended(
    kafka: str, topic: str, database: str, postgres: str, relay: Relay, store: EventStore
) -> None:
    """A transaction of another database of the server that has written, and stays open."""
    with running(relay), psycopg.connect(postgres) as other:
        other.execute("create temporary table written (number int)")
        await append(store, [created(str(uuid4()))])
        named = f"process {other.info.backend_pid} "
        await eventually(lambda: any(named in trouble for trouble in relay.troubles()))
        backlog.measure(database)
        assert f'orderflow_relay_watermark_age_seconds{{pid="{other.info.backend_pid}"}}' in exposition().decode()
        assert await published(kafka, topic, 0) == []
        other.rollback()
        assert len(await published(kafka, topic, 1)) == 1
        await eventually(lambda: relay.troubles() == [])


async def test_what_was_rolled_back_is_never_published(
    kafka: str, topic: str, database: str, relay: Relay, store: EventStore
) -> None:
    with running(relay), psycopg.connect(database) as undone:
        _insert(undone, UUID(int=2))
        await append(store, [created(str(UUID(int=4)))])
        undone.rollback()
        assert [event.order_id for event in await published(kafka, topic, 1)] == [str(UUID(int=4))]


async def test_a_backlog_is_measured_and_goes_away(
    kafka: str, topic: str, database: str, relay: Relay, store: EventStore
) -> None:
    for _ in range(20):
        await append(store, [created(str(uuid4()))])
    assert _waiting(database) == 20
    with running(relay):
        await eventually(lambda: _waiting(database) == 0)
    assert len(await published(kafka, topic, 20)) == 20


async def test_a_relay_says_what_keeps_it_from_publishing(database: str, group: str, topic: str) -> None:
    relay = Relay(database, lambda shard: Publisher("127.0.0.1:1", group, topic, shard))
    with running(relay):
        await eventually(lambda: any("KafkaError" in trouble for trouble in relay.troubles()))


def test_a_position_that_the_database_has_not_come_to_is_refused(database: str, relay: Relay) -> None:
    for shard in range(2):
        with psycopg.connect(database) as connection:
            connection.execute("update relay_position set xid = '1000000000000', seq = 1 where shard = %s", (shard,))
    with pytest.raises(SetupError, match="restored or replaced"):
        relay.run()


@pytest.mark.parametrize(
    "lost", ["delete from outbox where seq = %s", "update outbox set id = gen_random_uuid() where seq = %s"]
)
async def test_another_history_than_the_published_one_is_refused_however_far_it_has_come(
    kafka: str, database: str, group: str, topic: str, relay: Relay, store: EventStore, lost: LiteralString
) -> None:
    """As after a failover to a standby that lacked the last transactions: their numbers are taken again by others."""
    order_id = str(uuid4())
    with running(relay):
        await append(store, history(order_id, 1, 5))
        assert len(await published(kafka, topic, 5)) == 5
        await eventually(lambda: _copied(database) == 5)
    with psycopg.connect(database) as connection:
        (last,) = connection.execute("select max(seq) from outbox").fetchone() or (0,)
        connection.execute(lost, (last,))
    await append(store, [created(str(uuid4()))])
    again = Relay(database, lambda shard: Publisher(kafka, group, topic, shard))
    with pytest.raises(SetupError, match="restored or replaced"):
        await asyncio.to_thread(again.run)


async def test_a_position_whose_row_was_dropped_for_its_age_is_gone_on_from(
    kafka: str, database: str, group: str, topic: str, relay: Relay, store: EventStore
) -> None:
    order_id, parts = str(uuid4()), OutboxParts(database, timedelta(0))
    with running(relay):
        await append(store, history(order_id, 1, 5))
        await published(kafka, topic, 5)
        await eventually(lambda: _copied(database) == 5)
    assert await asyncio.to_thread(parts.tend, threading.Event()) == [0]
    await append(store, history(order_id, 6, 8))
    with running(Relay(database, lambda shard: Publisher(kafka, group, topic, shard))):
        assert [event.version for event in await published(kafka, topic, 8)] == list(range(1, 9))


def test_a_topic_with_fewer_partitions_than_shards_is_refused(
    kafka: str, database: str, group: str, make_topics: MakeTopics, unique: Callable[[str], str]
) -> None:
    narrow = unique("narrow.events")
    make_topics(narrow, partitions=1)
    with pytest.raises(SetupError, match="more partitions"):
        Relay(database, lambda shard: Publisher(kafka, group, narrow, shard)).run()


def _insert(connection: psycopg.Connection, order_id: UUID) -> None:
    insert_row(connection, order_id, 1, CODEC.encode(created(str(order_id))))


def _copied(database: str) -> int:
    with psycopg.connect(database) as connection:
        (published,) = connection.execute("select sum(published)::int from relay_position").fetchone() or (0,)
        return int(published)


def _waiting(database: str) -> int:
    backlog.measure(database)
    lines = [line for line in exposition().decode().splitlines() if line.startswith("orderflow_relay_backlog_rows{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)
