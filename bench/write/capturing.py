"""Debezium over the same full outbox: set up, and handed over to, as the product does it; in a worker of Connect."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from confluent_kafka import Consumer, TopicPartition

from app.cdc import database
from app.cdc.capture import Capture
from app.cdc.connect import ConnectUnavailableError
from app.cdc.handover import Handover
from app.config import Settings
from app.errors import SetupError
from app.serde.topics import ORDERS_EVENTS
from bench.running import LIMIT_S, PARTITIONS
from bench.write import relaying
from bench.write.servers import connect

ATTEMPTS = 3
INSERTED = "select pg_current_wal_insert_lsn()::text"


def debezium(dsn: str, kafka: str, rows: int) -> float:
    """Rows a second, from the first that were published to the last."""
    with (
        connect(kafka) as url,
        _capturing(Settings(kafka=kafka, postgres=dsn, connect=url)) as (connection, slot),
        _topic(kafka) as topic,
    ):
        before = _length(topic)
        relaying.fill(connection, rows)
        (lsn,) = connection.execute(INSERTED).fetchone() or ("",)
        length = before
        began = grew = 0.0
        until = time.monotonic() + LIMIT_S
        while not (began and database.has_captured(connection, slot, lsn)):
            if time.monotonic() > until:
                raise SetupError(f"Debezium had not published {rows} rows within {LIMIT_S:.0f} s; look at the slot")
            if (now := _length(topic)) > length:
                length, grew = now, time.perf_counter()
                began = began or grew
            time.sleep(0.01)
        return rows / (grew - began)


@contextmanager
def _capturing(settings: Settings) -> Iterator[tuple[psycopg.Connection, str]]:
    """Debezium publishes the outbox while it is entered; a connection, and the name of the slot."""
    with database.connected(settings.postgres) as connection:
        capture = Capture(settings, connection)
        _set_up(capture)
        Handover(connection, capture, LIMIT_S, lambda _: None).to_cdc()
        try:
            yield connection, capture.name
        finally:
            capture.stop()
            capture.connect.delete()
            database.drop_slot(connection, capture.name)


def _set_up(capture: Capture) -> None:
    """A worker that has just started loads its classes at the first request, and may not answer in time."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(ConnectUnavailableError):
            return capture.set_up()
    return capture.set_up()


@contextmanager
def _topic(kafka: str) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench-length"})
    try:
        yield consumer
    finally:
        consumer.close()


def _length(topic: Consumer) -> int:
    """Of all partitions, the ends of transactions included."""
    places = [TopicPartition(ORDERS_EVENTS, partition) for partition in range(PARTITIONS)]
    return sum(topic.get_watermark_offsets(place)[1] for place in places)
