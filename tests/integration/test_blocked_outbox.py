"""Rows that Kafka refuses, on real servers: their aggregate waits, others do not, and nothing is lost or doubled."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import outbox
from app.eventstore.blocked import Blocked, listed, try_again
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from tests.integration.published_topic import PublishedTopic
from tests.integration.relaying import insert_row, publish_to, running
from tests.topics import MakeTopics, take_at_most
from tests.waiting import until

SMALL, MOST, LARGE = 100, 2_000, 5_000
# all of one shard
POISONED, OTHER, THIRD = UUID(int=2), UUID(int=4), UUID(int=6)
DIES = b"""
create function dies() returns trigger language plpgsql as $$
begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
create trigger dies after %s on outbox_blocked execute function dies()
"""


@pytest.fixture
def topic(database: str, make_topics: MakeTopics, unique: Callable[[str], str]) -> str:
    """The topic of this database's outbox; it takes records of up to `MOST` bytes."""
    aggregatetype = unique("orders")
    publish_to(database, aggregatetype)
    make_topics(f"{aggregatetype}.events", config={"max.message.bytes": str(MOST)})
    return f"{aggregatetype}.events"


@pytest.fixture
def relay(kafka: str, database: str, topic: str, unique: Callable[[str], str]) -> Relay:
    group = unique("relay")
    return Relay(database, lambda shard: Publisher(kafka, group, topic, shard))


def append(database: str, *rows: tuple[UUID, int, int]) -> None:
    """(aggregate, version, bytes), all in one transaction. Nothing shrinks what is in them."""
    with psycopg.connect(database) as connection:
        for aggregate, version, size in rows:
            noise = (f"{aggregate}{version}".encode() * size)[: size - 4]
            insert_row(connection, aggregate, version, version.to_bytes(4) + _incompressible(noise))


def _incompressible(noise: bytes) -> bytes:
    """lz4 would make a long repetition short."""
    state, out = 1, bytearray()
    for byte in noise:
        state = (state * 1_103_515_245 + 12_345 + byte) % 2**31
        out.append(state >> 16 & 0xFF)
    return bytes(out)


def published(kafka: str, topic: str, at_least: int) -> dict[UUID, list[int]]:
    """The versions of each aggregate, as they stand in the topic."""
    versions: dict[UUID, list[int]] = defaultdict(list)
    for record in PublishedTopic(kafka, topic).committed(at_least):
        versions[UUID(record.key)].append(int.from_bytes(record.value[:4]))
    return versions


def only_blocked(database: str) -> Blocked:
    until(lambda: listed(database))
    [one] = listed(database)
    return one


@contextmanager
def dying(database: str, write: str) -> Iterator[None]:
    """Whoever does this to the table of the blocked loses the connection, before that is committed."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(DIES % write.encode())
        yield
        connection.execute("drop function dies cascade")


def test_a_row_that_the_broker_refuses_blocks_its_aggregate_and_no_other(
    kafka: str, database: str, topic: str, relay: Relay
) -> None:
    append(database, (POISONED, 1, SMALL), (OTHER, 1, SMALL), (POISONED, 2, LARGE), (OTHER, 2, SMALL))
    append(database, (POISONED, 3, SMALL), (THIRD, 1, SMALL))
    with running(relay):
        assert only_blocked(database).aggregateid == str(POISONED)
        assert published(kafka, topic, 4) == {POISONED: [1], OTHER: [1, 2], THIRD: [1]}
        append(database, (POISONED, 4, SMALL), (OTHER, 3, SMALL))
        assert published(kafka, topic, 5) == {POISONED: [1], OTHER: [1, 2, 3], THIRD: [1]}

        take_at_most(kafka, topic, 10 * LARGE)
        try_again(database, [str(POISONED)])
        until(lambda: not listed(database))
        append(database, (POISONED, 5, SMALL))
        assert published(kafka, topic, 9) == {POISONED: [1, 2, 3, 4, 5], OTHER: [1, 2, 3], THIRD: [1]}


def test_what_is_refused_again_stays_blocked_and_says_why(kafka: str, database: str, topic: str, relay: Relay) -> None:
    append(database, (POISONED, 1, 1_300_000), (OTHER, 1, SMALL))
    with running(relay):
        assert only_blocked(database).retry_count == 0
        until(lambda: only_blocked(database).retry_count == 1)
        assert "too large" in only_blocked(database).last_error.lower()
        assert published(kafka, topic, 1) == {OTHER: [1]}


def test_an_aggregate_waits_for_a_topic_that_does_not_exist(
    kafka: str, database: str, topic: str, relay: Relay, make_topics: MakeTopics, unique: Callable[[str], str]
) -> None:
    append(database, (OTHER, 1, SMALL))
    nowhere = unique("nowhere")
    publish_to(database, nowhere)
    append(database, (POISONED, 1, SMALL), (POISONED, 2, SMALL))
    publish_to(database, topic.removesuffix(".events"))
    append(database, (OTHER, 2, SMALL))
    with running(relay):
        assert nowhere in only_blocked(database).last_error
        assert published(kafka, topic, 2) == {OTHER: [1, 2]}
        make_topics(f"{nowhere}.events")
        until(lambda: not listed(database))
    assert published(kafka, f"{nowhere}.events", 2) == {POISONED: [1, 2]}


@pytest.mark.parametrize("write", ["insert", "update of xid", "delete"])
def test_a_relay_that_dies_between_kafka_and_the_side_table_loses_nothing_and_doubles_nothing(
    write: str, kafka: str, database: str, topic: str, relay: Relay
) -> None:
    append(database, (POISONED, 1, SMALL), (POISONED, 2, LARGE), (OTHER, 1, SMALL), (POISONED, 3, SMALL))
    with running(relay):
        if write != "insert":
            only_blocked(database)
        with dying(database, write):
            if write != "insert":
                take_at_most(kafka, topic, 10 * LARGE)
                try_again(database, [str(POISONED)])
            until(lambda: any("terminating" in trouble for trouble in relay.troubles()))
        take_at_most(kafka, topic, 10 * LARGE)
        append(database, (POISONED, 4, SMALL), (OTHER, 2, SMALL))
        seen = published(kafka, topic, 6)
        until(lambda: not listed(database))
    assert seen == published(kafka, topic, 6) == {POISONED: [1, 2, 3, 4], OTHER: [1, 2]}


def test_blocked_aggregates_are_listed_and_tried_again_on_demand(
    database: str, topic: str, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_POSTGRES", database)
    append(database, (POISONED, 1, LARGE))
    with running(relay):
        only_blocked(database)
    shown = CliRunner().invoke(outbox.cli, ["blocked", "--json"])
    assert (shown.exit_code, [one["aggregateid"] for one in json.loads(shown.stdout)]) == (1, [str(POISONED)])
    assert str(POISONED) in CliRunner().invoke(outbox.cli, ["blocked"]).stdout

    tried = CliRunner().invoke(outbox.cli, ["unblock", "--all", "--json"])
    assert json.loads(tried.stdout) == {"due": [str(POISONED)]}
    refused = CliRunner().invoke(outbox.cli, ["unblock", str(OTHER)])
    assert isinstance(refused.exception, outbox.NotBlockedError)
