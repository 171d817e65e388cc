"""Relays over a full outbox: ours, and the one that is commonly written; and how long an event takes through ours."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from app.config import Settings, dump
from app.embedded import processes
from app.errors import SetupError
from app.serde.topics import ORDERS_EVENTS
from bench.running import LIMIT_S, PARTITIONS, STOP_S

PAYLOAD_BYTES = 220
NAIVE_BATCH = 100
FILLED_AT_ONCE = 50_000

FILL = """
insert into outbox (aggregateid, version, id, type, payload, ce_time, traceparent)
select gen_random_uuid(), 1, gen_random_uuid(), 'orderflow.orders.OrderCreated', decode(repeat('78', {bytes}), 'hex'),
    '2026-11-24T09:59:24.759073Z', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
from generate_series(1, {rows})
"""
NAIVE = """
create table naive_outbox (
    id bigint generated always as identity primary key, aggregateid uuid not null, type text not null,
    payload bytea not null, published_at timestamptz
);
create index on naive_outbox (id) where published_at is null;
insert into naive_outbox (aggregateid, type, payload)
select gen_random_uuid(), 'orderflow.orders.OrderCreated', decode(repeat('78', {bytes}), 'hex')
from generate_series(1, {rows});
analyze naive_outbox
"""
TAKE = """
select id, aggregateid::text, type, payload from naive_outbox where published_at is null
order by id limit %s for update skip locked
"""
DONE = "update naive_outbox set published_at = now() where id = %s"


def ours(dsn: str, kafka: str, rows: int) -> float:
    """Rows a second, from the first that were published to the last."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection, rows)
        with running(dsn, kafka):
            first, begin = published(connection, 1), time.perf_counter()
            last = published(connection, rows)
            return (last - first) / (time.perf_counter() - begin)


def fill(connection: psycopg.Connection, rows: int) -> None:
    # in parts: no transaction of the product's role may be long
    for start in range(0, rows, FILLED_AT_ONCE):
        part = min(rows - start, FILLED_AT_ONCE)
        connection.execute(FILL.format(bytes=PAYLOAD_BYTES, rows=part).encode())
    connection.execute("analyze outbox")


def published(connection: psycopg.Connection, at_least: int) -> int:
    """How many rows are, as soon as there are that many."""
    until = time.monotonic() + LIMIT_S
    while True:
        (count,) = connection.execute("select sum(published)::int from relay_position").fetchone() or (0,)
        if count >= at_least:
            return int(count)
        if time.monotonic() > until:
            raise SetupError(f"{count} of {at_least} rows were published within {LIMIT_S:.0f} s; look at the relay")
        time.sleep(0.01)


@contextmanager
def running(dsn: str, kafka: str) -> Iterator[Path]:
    """A relay, in a process of its own: in this one it would wait for the interpreter with what it is measured by. Its
    log."""
    group = f"bench-{dsn.rpartition('/')[2]}"
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-relay-") as directory:
        log = Path(directory) / "log"
        process = processes.start(
            [sys.executable, "-m", "bench.write.relay_process", group],
            directory=Path(__file__).parents[2],
            log=log,
            environment={**os.environ, **dump(Settings(kafka=kafka, postgres=dsn))},
        )
        try:
            yield log
        finally:
            processes.end(process, signal.SIGTERM, STOP_S)


def held_up(dsn: str, other: str, kafka: str, rows: int) -> tuple[float, float]:
    """Seconds until the relay tells who holds it back, a transaction of another database; then, from the end of that,
    until these rows are published, which were added meanwhile."""
    with psycopg.connect(dsn, autocommit=True) as connection, running(dsn, kafka) as log:
        fill(connection, 1)
        published(connection, 1)
        with psycopg.connect(other) as holder:
            holder.execute("create temporary table written (number int)")
            begin = time.perf_counter()
            fill(connection, rows)
            named = f"process {holder.info.backend_pid} "
            while named not in log.read_text():
                if time.perf_counter() > begin + LIMIT_S:
                    raise SetupError(f"the relay has not told who holds it back within {LIMIT_S:.0f} s; look at it")
                time.sleep(0.01)
            told_s, ended = time.perf_counter() - begin, time.perf_counter()
            holder.rollback()
        published(connection, rows + 1)
        return told_s, time.perf_counter() - ended


def commonly_written(dsn: str, kafka: str, rows: int) -> float:
    """Rows a second: a hundred are locked, each is published and marked, and then they are committed."""
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "compression.type": "lz4"})
    with psycopg.connect(dsn) as connection:
        connection.execute(NAIVE.format(bytes=PAYLOAD_BYTES, rows=rows).encode())
        connection.commit()
        begin = time.perf_counter()
        while taken := connection.execute(TAKE, (NAIVE_BATCH,)).fetchall():
            for number, aggregate, kind, payload in taken:
                producer.produce(ORDERS_EVENTS, payload, aggregate, headers=[("type", kind)])
                producer.flush()
                connection.execute(DONE, (number,))
            connection.commit()
        return rows / (time.perf_counter() - begin)


def wait_for(reading: "Reading", orders: Collection[str]) -> None:
    """Until the records of all these orders were read."""
    until = time.monotonic() + LIMIT_S
    while missing := len([order_id for order_id in orders if order_id not in reading.seen]):
        if time.monotonic() > until:
            raise SetupError(
                f"{missing} of {len(orders)} events were not read within {LIMIT_S:.0f} s; look at the relay"
            )
        time.sleep(0.1)


class Reading:
    """Notes when the record of each order was read, read committed, from the end that the topic had."""

    def __init__(self, kafka: str) -> None:
        self.seen: dict[str, float] = {}
        self._stop = threading.Event()
        settings = {"group.id": "bench-reading", "isolation.level": "read_committed", "fetch.wait.max.ms": 10}
        self._consumer = Consumer({"bootstrap.servers": kafka, "enable.auto.commit": False, **settings})
        places = [TopicPartition(ORDERS_EVENTS, partition, OFFSET_END) for partition in range(PARTITIONS)]
        self._consumer.assign(places)
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Reading":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.seen[message.key().decode()] = time.perf_counter()
