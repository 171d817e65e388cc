"""Hostile records for every topic that a topology reads, sent as they are and looked for in the DLQs."""

from collections.abc import Callable, Generator, Iterator
from functools import partial
from random import Random
from zlib import crc32

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from app.cli.producing.hostile import HostileRecord, poison, unknown_schemas
from app.projections import customer_orders, daily_sales, product_demand
from app.serde.lock import committed_registry
from app.serde.topics import EVENT_TYPES, ORDERS_EVENTS
from app.streaming.failures import KIP, OURS
from app.streaming.kafka.messages import to_record
from app.streaming.letters import Letter, read_letter
from app.streaming.names import dlq_topic
from app.streaming.record import RECORD_LIMIT, Headers
from tests.waiting import PATIENCE_S, until

PARTITIONS = 4
UNKNOWN_EVERY = 12  # one kind of a dozen
MANY_EVERY, MANY = 25, 2_000

Place = tuple[str, int, int]

CHANGES: tuple[msgspec.Struct, ...] = (
    customer_orders.Row("ada", "order", "ref", "pending", "GBP", 1, 1),
    daily_sales.Change("2026-01-01", "GBP", daily_sales.Row()),
    product_demand.Change("sku", product_demand.Row()),
)
"""Changes that a repartition topic would take under another key."""


class Hostile(msgspec.Struct, frozen=True, gc=False):
    kind: str
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def records_for(topic: str, count: int) -> Iterator[Hostile]:
    """At least `count` records of every kind, each under a key of its own, and one as large as the topic takes."""
    chance = Random(f"hostile:{topic}")
    made = _made(topic, count)
    if topic not in EVENT_TYPES:
        made = [*made, *_packed(chance)]
    for number, record in enumerate(made):
        more = () if record.kind == "largest" else _headers(chance, MANY if number % MANY_EVERY == 0 else 1)
        yield Hostile(record.kind, topic, record.key, record.value, [*record.headers, *more])
    yield largest(topic)


def _made(topic: str, count: int) -> list[HostileRecord]:
    registry, like = committed_registry(), topic if topic in EVENT_TYPES else ORDERS_EVENTS
    unknown = max(count // UNKNOWN_EVERY, 4)
    seed = crc32(topic.encode())  # so that the keys of no two topics are the same: one would wait behind the other
    return [*poison(registry, like, seed, count - unknown), *unknown_schemas(registry, like, seed, unknown)]


def _packed(chance: Random) -> Iterator[HostileRecord]:
    """Bytes that MessagePack reads, or may choke on."""
    values = {
        "packed-deep": b"\x91" * 200_000,
        "packed-deep-map": b"\x81\xa1k" * 100_000,
        "packed-endless-array": b"\xdd\xff\xff\xff\xff",
        "packed-endless-text": b"\x93\xdb\xff\xff\xff\xff",
        "packed-endless-map": b"\xdf\xff\xff\xff\xff\x01",
        "packed-other-types": msgspec.msgpack.encode([None, 2**63, {"a": [1.5]}]),
        **{f"packed-change-{n}": msgspec.msgpack.encode(change) for n, change in enumerate(CHANGES)},
    }
    for kind, value in values.items():
        yield HostileRecord(kind=kind, key=chance.randbytes(16).hex().encode(), value=value, headers=())


def _headers(chance: Random, many: int) -> Headers:
    """Binary ones, names given twice, without a value; and those of a letter or a retry, with nonsense in them."""
    nonsense = [b"0", b"-1", b"9" * 5000, b"\xff", None]
    return [
        ("binary", chance.randbytes(16) + b"\xff"),
        ("binary", b"again"),
        ("nothing", None),
        ("", b"of no name"),
        ("größe", "ß".encode()),
        (KIP + "topic", b"elsewhere"),
        (KIP + "offset", b"no number"),
        *[("many", chance.randbytes(4)) for _ in range(many)],
        *[(OURS + name, chance.choice(nonsense)) for name in ("attempt", "headers")],
    ]


def largest(topic: str, *, over: int = 0) -> Hostile:
    """A batch with this record alone has exactly as many bytes as an event topic takes, or `over` bytes more."""
    key, headers = f"largest:{topic}".encode(), [("fault", b"largest"), ("nothing", None)]
    size = RECORD_LIMIT - _batch_bytes(key, b"", headers)
    while _batch_bytes(key, bytes(size), headers) > RECORD_LIMIT:
        size -= 1
    return Hostile("largest", topic, key, bytes(size + over), headers)


def _batch_bytes(key: bytes, value: bytes, headers: Headers) -> int:
    """What Kafka's record format takes for one record, its batch included."""
    parts = [key, value, *[part for name, held in headers for part in (name.encode(), held)]]
    body = 3 + _varint(len(headers))
    body += sum(_varint(-1) if part is None else _varint(len(part)) + len(part) for part in parts)
    return 61 + _varint(body) + body


def _varint(number: int) -> int:
    zigzag = (number << 1) ^ (number >> 31)
    return max(1, -(-zigzag.bit_length() // 7))


class Traffic:
    """What was sent, by the place that it got."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.sent: dict[Place, Hostile] = {}
        self.refused: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "message.max.bytes": 2_000_000,
                "log_level": 0,
            }
        )

    def send(self, record: Hostile) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    on_delivery=self._delivered(record),
                )
            except BufferError:
                self._producer.poll(0.5)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        assert self._producer.flush(PATIENCE_S) == 0

    def _delivered(self, record: Hostile) -> Callable[[object, Message], None]:
        def delivered(error: object, message: Message) -> None:
            if error is not None:
                self.refused.append(f"{record.topic} {record.kind}: {error}")
            else:
                self.sent[message.topic(), message.partition(), message.offset()] = record

        return delivered

    def letters(self, group: str, count: int, limit_s: float) -> Generator[Letter]:
        """The letters of a group, as they come, until there are `count`; `limit_s` for each."""
        settings = {"bootstrap.servers": self._bootstrap, "group.id": "oracle", "enable.auto.commit": False}
        consumer = Consumer({**settings, "isolation.level": "read_committed", "log_level": 0})
        consumer.assign([TopicPartition(dlq_topic(group), partition, 0) for partition in range(PARTITIONS)])
        try:
            for number in range(1, count + 1):
                [message] = until(partial(consumer.consume, 1, 1.0), f"{group}: letter {number} of {count}", limit_s)
                assert message.error() is None, message.error()
                yield read_letter(to_record(message))
        finally:
            consumer.close()
