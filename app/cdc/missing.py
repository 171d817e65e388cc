"""Publishes what change data capture had still to publish, when it will not come back to do so.

It is asked of the topic, since the slot is no proof any more. Nobody else publishes meanwhile: the connector is shut
out, and the relay has not begun. So it may be ended anywhere, and done again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, LiteralString
from uuid import UUID

from confluent_kafka import KafkaException, Producer

from app.errors import TransientError
from app.eventstore.outbox import Connection, OutboxRow, Position
from app.eventstore.publisher import Publisher
from app.librdkafka.owning import begin_ownership
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka.log import read_topic

REQUEST_S: Final = 15.0
BATCH: Final = 5_000
# the clocks of brokers, of the database and of producers agree to this
SKEW: Final = timedelta(hours=1)

UNLIMITED: LiteralString = "set transaction_timeout = 0; set statement_timeout = 0"
# of a producer that has put a row into the topic, the clock cannot be before this
SINCE: LiteralString = """
select appended_at from outbox, publishing where xid >= relay_until order by outbox.xid, seq limit 1
"""
EMPTY: LiteralString = "create temp table if not exists captured (id uuid); truncate captured"
COPY: LiteralString = "copy captured from stdin"
MISSING: LiteralString = """
select
    id::text, aggregatetype, aggregateid::text, type, payload, ce_time, traceparent, xid::text, seq, true as settled
from outbox, publishing
where xid > relay_until and xid < marker and not exists (select from captured where captured.id = outbox.id)
order by outbox.xid, outbox.seq
"""


class ShutOutError(TransientError):
    """Kafka did not answer, so a connector that hangs might go on."""


class StillMissingError(TransientError):
    """Kafka did not answer, so what was not captured may still be missing."""


def shut_out(kafka: str, transactional_id: str) -> None:
    """Whatever a producer with this id still has in its hands will not be committed."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": transactional_id, "log_level": 0})
    try:
        begin_ownership(producer, ORDERS_EVENTS, REQUEST_S)
    except KafkaException as error:
        raise ShutOutError(f"the connector cannot be shut out: {error}; look at the brokers, then try again") from None


def publish_missing(connection: Connection, kafka: str, group: str) -> int:
    """How many events of the time of change data capture were not in the topic; they are now, in order."""
    connection.execute(UNLIMITED)
    publisher = Publisher(kafka, group, ORDERS_EVENTS, 0)
    try:
        publisher.begin_ownership()  # an earlier attempt, which hangs, is over
        _copy_captured(connection, kafka)
        return _publish(publisher, connection)
    except KafkaException as error:
        raise StillMissingError(
            f"what was not captured is not published: {error}; look at the brokers, then try again"
        ) from None
    finally:
        publisher.close()


def _publish(publisher: Publisher, connection: Connection) -> int:
    count = 0
    for rows in _missing(connection):
        count += len(rows)
        publisher.publish(rows, Position(rows[-1].xid, rows[-1].seq, count, event_id=rows[-1].event_id))
    return count


def _copy_captured(connection: Connection, kafka: str) -> None:
    (first,) = connection.execute(SINCE).fetchone() or (None,)
    connection.execute(EMPTY)
    if first is None:
        return
    ids = _ids_in_topic(kafka, first - SKEW)
    # in parts: a long transaction that writes would hold back whoever reads the outbox
    while part := list(islice(ids, BATCH)):
        with connection.cursor().copy(COPY) as copy:
            for event_id in part:
                copy.write_row((event_id,))


def _ids_in_topic(kafka: str, since: datetime) -> Iterator[UUID]:
    """What records name as their events. Others, which name none, are not ours."""
    since_ms = int(since.timestamp() * 1000)
    for record in read_topic(kafka, ORDERS_EVENTS):
        if record.timestamp_ms >= since_ms and (event_id := _uuid(dict(record.headers).get("ce_id"))):
            yield event_id


def _uuid(text: bytes | None) -> UUID | None:
    try:
        return UUID((text or b"").decode())
    except ValueError:
        return None


def _missing(connection: Connection) -> Iterator[list[OutboxRow]]:
    with connection.cursor("missing", withhold=True, binary=True) as cursor:
        cursor.execute(MISSING)
        while rows := cursor.fetchmany(BATCH):
            yield [OutboxRow._make(row) for row in rows]
