"""What capture left unpublished is found and published, whatever else stands in the topic."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Producer

from app.cdc import publishing
from app.cdc.missing import StillMissingError, publish_missing
from app.embedded.ports import free_ports
from app.eventstore.outbox import Connection
from app.eventstore.publisher import Publisher
from app.serde.topics import ORDERS_EVENTS
from tests.chaos.relays import create_topic
from tests.integration.published_topic import PublishedTopic
from tests.integration.relaying import insert_row
from tests.waiting import PATIENCE_S

FOREIGN: list[bytes | None] = [b"no-uuid", b"", b"\x00", b"\xff\xfe", None]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def captured_and_not(connection: Connection) -> tuple[str, str]:
    """The event ids of two rows, of the time of a capture that has ended."""
    publishing.mark_to_cdc(connection)
    publishing.settle_cdc(connection)
    for version in (1, 2):
        insert_row(connection, uuid4(), version, b"")
    publishing.mark_to_relay(connection)
    one, other = (event_id for (event_id,) in connection.execute("select id::text from outbox order by version"))
    return one, other


def test_records_that_name_no_event_do_not_keep_it_from_being_published(own_kafka: str, connection: Connection) -> None:
    captured, lost = captured_and_not(connection)
    create_topic(own_kafka)
    producer = Producer({"bootstrap.servers": own_kafka})
    for named in (*FOREIGN, captured.encode()):
        producer.produce(ORDERS_EVENTS, b"", b"key", headers=[("ce_id", named)])
    producer.produce(ORDERS_EVENTS, b"", b"key")
    producer.flush(PATIENCE_S)

    assert publish_missing(connection, own_kafka, "missing") == 1
    names = [dict(record.headers).get("ce_id") for record in PublishedTopic(own_kafka, ORDERS_EVENTS).committed(8)]
    assert (names.count(captured.encode()), names.count(lost.encode())) == (1, 1)
    assert publish_missing(connection, own_kafka, "missing") == 0


def test_a_kafka_that_does_not_answer_is_told_and_nothing_stays_open(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = [], Publisher.close

    def let_go(publisher: Publisher) -> None:
        closed.append(publisher)
        close(publisher)

    monkeypatch.setattr(Publisher, "close", let_go)
    [port] = free_ports(0)
    with pytest.raises(StillMissingError, match="look at the brokers, then try again"):
        publish_missing(connection, f"127.0.0.1:{port}", "missing")
    assert len(closed) == 1
