"""What the relay publishes and what Debezium does is the same: topic, key, partition, value, headers, to the byte."""

import json

import psycopg
import pytest
from aiokafka.partitioner import murmur2

from app.config import Settings
from app.domain.events import ORDERS
from app.eventstore.batch import event_row
from app.serde.cloudevents import headers
from app.serde.topics import ORDERS_EVENTS
from tests.cdc.handing import use
from tests.chaos.relays import CODEC, PARTITIONS
from tests.integration.published_topic import Published, PublishedTopic
from tests.schema.sample_events import SAMPLES
from tests.schema.test_golden import GOLDEN

EVENTS = [event for event in SAMPLES if type(event) in ORDERS]
ROW = """
insert into outbox (aggregateid, version, id, type, payload, ce_time, traceparent) values (%s, %s, %s, %s, %s, %s, %s)
"""


@pytest.fixture(scope="module", params=["relay", "cdc"])
def records(request: pytest.FixtureRequest, system: Settings) -> list[Published]:
    """The sample of every type that the outbox carries, published by one side."""
    use(request.param, system)
    topic = PublishedTopic(system.kafka, ORDERS_EVENTS)
    before = len(topic.committed(0))
    with psycopg.connect(system.postgres) as connection:
        for event in EVENTS:
            row = event_row(event, CODEC.encode)
            told = (row.type.decode(), row.payload, row.time.decode(), row.trace.decode())
            connection.execute(ROW, (event.order_id, event.version, row.event_id, *told))
        connection.execute("notify outbox")
    published = topic.committed(before + len(EVENTS))
    return [record for record in published if record.key == EVENTS[0].order_id][-len(EVENTS) :]


def test_every_type_has_its_golden_bytes(records: list[Published]) -> None:
    newest = {type(event): max(GOLDEN.glob(f"{type(event).__name__}.v*.json")) for event in EVENTS}
    golden = [json.loads(newest[type(event)].read_text())["value"] for event in EVENTS]
    assert [record.value.hex() for record in records] == golden


def test_every_event_has_its_headers_in_their_order(records: list[Published]) -> None:
    assert [record.headers for record in records] == [headers(event) for event in EVENTS]


def test_the_key_is_the_order_and_chooses_the_partition(records: list[Published]) -> None:
    key = EVENTS[0].order_id
    home = (murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS
    assert [(record.key, record.partition) for record in records] == [(key, home)] * len(EVENTS)
