"""Whatever bytes come, no worker ends: each hostile record is in the DLQ as it came, and good records go on."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator, producer
from aiokafka.record import default_records
from confluent_kafka import Message, Producer

from app.streaming.failures import OURS
from app.streaming.names import dlq_topic
from app.streaming.record import Headers
from tests.engine.cluster import Cluster
from tests.engine.log import Log, ticks
from tests.engine.topologies import Tick
from tests.waiting import PATIENCE_S

# what a topic takes by default, less the framing of a batch of one record
LARGEST = 1_048_588 - 100
HEADERS: Headers = [
    ("trace", b"\x00\xff"),
    ("trace", b"twice"),
    ("empty", b""),
    ("none", None),
    ("größe", "ß".encode()),
]

MANY: Headers = [("", None)] * 99_000  # the client shows none of a record with more than 100,000

Hostile = tuple[bytes | None, bytes | None, Headers]


def hostile_records() -> list[Hostile]:
    rng = random.Random(5)
    noise = [(f"noise-{n}".encode(), rng.randbytes(rng.randrange(0, 300)), HEADERS) for n in range(100)]
    good = msgspec.msgpack.encode(Tick(key="victim", number=1))
    return [
        *noise,
        (b"null", None, HEADERS),
        (b"empty", b"", HEADERS),
        (None, good, HEADERS),
        (b"", b"under an empty key", HEADERS),
        (b"not-the-victim", good, HEADERS),
        (b"\xff\xfe not UTF-8", b"x", HEADERS),
        (b"large", rng.randbytes(LARGEST - 200), HEADERS),
        (b"k" * LARGEST, b"", []),
        (b"large headers", b"", [("h", rng.randbytes(500_000)), ("h", rng.randbytes(500_000))]),
        (b"many headers", rng.randbytes(LARGEST - 2 * len(MANY) - 50), MANY),
    ]


@pytest.fixture(params=["counting", "acting"])
def cluster(
    kafka: str, tmp_path: Path, unique: Callable[[str], str], request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    with Cluster(Log(kafka), tmp_path, request.param, unique("hostile"), delays_ms=(6_000,)) as cluster:
        yield cluster


def send(log: Log, topic: str, records: list[Hostile], **settings: Any) -> None:
    sender = Producer({"bootstrap.servers": log.bootstrap, "message.max.bytes": 20_000_000, "log_level": 0, **settings})
    refused: list[str] = []
    for key, value, headers in records:
        sender.produce(
            topic, value, key, headers=list(headers), on_delivery=lambda e, _: refused.append(str(e)) if e else None
        )
    assert sender.flush(PATIENCE_S) == 0
    assert refused == []


def letters(cluster: Cluster) -> list[Message]:
    return cluster.log.records(dlq_topic(cluster.topology.group))


def carried(letter: Message) -> Hostile:
    """The record inside a letter, by its own count of headers."""
    headers = letter.headers()
    assert headers[-1][0] == OURS + "headers"
    return letter.key(), letter.value(), headers[: int(headers[-1][1])]


def said(letter: Message, name: str) -> bytes | None:
    found: bytes | None = dict(letter.headers()).get(name)
    return found


def test_every_hostile_record_is_in_the_dlq_as_it_came(cluster: Cluster) -> None:
    """Also the largest that a topic takes: as a value, a key, a few headers or a hundred thousand of them."""
    worker = cluster.start("a")
    cluster.ready(worker)
    hostile = hostile_records()
    send(cluster.log, cluster.source, hostile)
    good = ticks(20, 5)
    cluster.log.send(cluster.source, good)
    cluster.quiet()
    assert sorted(map(repr, map(carried, letters(cluster)))) == sorted(map(repr, hostile))
    counts = cluster.log.rows(cluster.topology.changelog("counts")).values()
    assert sorted(row[1] for row in counts) == [5] * 20
    assert worker.is_alive()


def test_a_large_record_waits_behind_the_failed_one_of_its_key(cluster: Cluster) -> None:
    """The largest record is parked and follows, one that was larger before its compression is set aside."""
    worker = cluster.start("a")
    cluster.ready(worker)
    cluster.log.send(cluster.source, [Tick(key="key-1", number=1, fails=1)])
    many: Hostile = (b"key-1", bytes(LARGEST - 2 * len(MANY) - 50), MANY)
    send(cluster.log, cluster.source, [many])
    send(cluster.log, cluster.source, [(b"key-1", bytes(8_000_000), [])], **{"compression.type": "zstd"})
    cluster.quiet()
    found = {said(letter, OURS + "reason"): letter for letter in letters(cluster)}
    assert found.keys() == {b"non-retryable", b"parked-behind"}
    assert carried(found[b"non-retryable"]) == many
    assert carried(found[b"parked-behind"]) == (b"key-1", None, [])
    assert said(found[b"parked-behind"], OURS + "left.out") == b"8000000"
    assert said(found[b"parked-behind"], "__streams.errors.topic") == cluster.source.encode()
    (row,) = cluster.log.rows(cluster.topology.changelog("counts")).values()
    assert row[:4] == ["key-1", 1, 1, 0]
    assert worker.is_alive()


def test_header_names_that_are_no_text_end_no_worker(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client cannot give them out: the letter says so, and where the record lies."""
    worker = cluster.start("a")
    cluster.ready(worker)

    class Raw(str):
        __slots__ = ()

        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    async def produce() -> None:
        async with AIOKafkaProducer(bootstrap_servers=cluster.log.bootstrap) as sender:
            await sender.send_and_wait(cluster.source, b"\xc1", b"raw", headers=[(Raw("x"), b"1")])

    for module in (message_accumulator, producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", default_records._DefaultRecordBatchBuilderPy)
    asyncio.run(produce())
    cluster.quiet()
    (letter,) = letters(cluster)
    assert carried(letter) == (b"raw", b"\xc1", [("__orderflow.unreadable", None)])
    assert worker.is_alive()
