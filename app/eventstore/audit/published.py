"""Reads the topic as it stands into an index by order, in files: whatever its length, little is in memory."""

import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from aiokafka.partitioner import murmur2
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from app.domain.events import Event
from app.errors import PoisonError, SetupError
from app.eventstore.audit.compare import Seen
from app.eventstore.audit.digest import digest
from app.eventstore.audit.runs import SortedRuns

LIMIT_S = 30.0
# what a writer that died has left open holds readers back for a minute
SILENT_S = 90.0
BATCH = 2_000
NONE = UUID(int=0)

# order and place first: sorted by them
_ITEM = struct.Struct(">16sIQ16s16s16s?")


class Topic:
    """The committed records of a topic up to the ends that it has when this is made. Blocks.

    These are the ends of all records: Kafka answers a commit before readers of committed ones are let past it.
    """

    def __init__(self, kafka: str, topic: str, decode: Callable[[bytes | None], Event], directory: Path) -> None:
        self._client = {"bootstrap.servers": kafka, "log_level": 0}
        self._topic, self._decode = topic, decode
        self._runs = SortedRuns(directory, _ITEM.size)
        self._ends = self._ends_now(kafka)
        self.length, self.records, self.strays = sum(self._ends.values()), 0, 0

    def home(self, order_id: UUID) -> int:
        """The partition where records of this order belong (Java's default partitioner)."""
        hashed: int = murmur2(str(order_id).encode())
        return (hashed & 0x7FFFFFFF) % len(self._ends)

    def read(self, void: frozenset[tuple[int, int]], progress: Callable[[int], None]) -> None:
        """All of it, but for the places in `void`; `progress` is told how far it has come, of `length`."""
        come_to = dict.fromkeys(self._ends, 0)
        for message in self._messages():
            place = message.partition(), message.offset()
            if place in void:
                continue
            self._add(message)
            come_to[place[0]] = place[1] + 1
            if self.records % BATCH == 0:
                progress(sum(come_to.values()))
        progress(self.length)

    def orders(self) -> Iterator[tuple[UUID, list[Seen]]]:
        """The records of each order by their places, orders by id; records that name no order are `strays`."""
        for order_id, items in groupby(self._runs, lambda item: item[:16]):
            yield UUID(bytes=order_id), [_seen(item) for item in items]

    def _add(self, message: Any) -> None:
        self.records += 1
        key, value, headers = message.key(), message.value(), message.headers() or []
        named = dict(headers)
        event = self._event(value)
        order_id = _majority(key, named.get("ce_subject"), event.order_id.encode() if event else None)
        if order_id is None:
            self.strays += 1
            return
        readable = event is not None and key == event.order_id.encode()
        read = _uuid(event.event_id.encode()) if event else None
        self._runs.add(
            _ITEM.pack(
                order_id.bytes,
                message.partition(),
                message.offset(),
                (_uuid(named.get("ce_id")) or NONE).bytes,
                (read or NONE).bytes,
                digest(key, value, headers),
                readable,
            )
        )

    def _event(self, value: bytes | None) -> Event | None:
        try:
            return self._decode(value)
        except PoisonError:
            return None

    def _ends_now(self, kafka: str) -> dict[int, int]:
        admin = AdminClient(self._client)
        try:
            known = admin.list_topics(self._topic, LIMIT_S).topics[self._topic]
            if known.error is not None:
                raise SetupError(f"topic {self._topic} cannot be read ({known.error}); run `orderflow topics apply`")
            asked = {TopicPartition(self._topic, partition): OffsetSpec.latest() for partition in known.partitions}
            ends = admin.list_offsets(asked, request_timeout=LIMIT_S)
            return {place.partition: end.result().offset for place, end in ends.items()}
        except KafkaException as error:
            raise SetupError(f"Kafka at {kafka} does not answer ({error}); start it, then audit again") from None

    def _messages(self) -> Iterator[Any]:
        consumer = Consumer(
            {
                **self._client,
                "group.id": "orderflow-audit",  # never joins and commits nothing
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": 16_384,
            }
        )
        try:
            consumer.assign([TopicPartition(self._topic, partition, OFFSET_BEGINNING) for partition in self._ends])
            yield from self._up_to_the_ends(consumer)
        finally:
            consumer.close()

    def _up_to_the_ends(self, consumer: Any) -> Iterator[Any]:
        unfinished, heard = {partition for partition, end in self._ends.items() if end}, time.monotonic()
        while unfinished:
            messages = consumer.consume(BATCH, 0.1)
            heard = time.monotonic() if messages else heard
            if time.monotonic() - heard > SILENT_S:
                raise SetupError(
                    f"{self._topic} gave nothing for {SILENT_S:.0f} s; look at the brokers, then audit again"
                )
            for message in messages:
                error, partition = message.error(), message.partition()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise SetupError(f"{self._topic} cannot be read: {error}; look at the brokers, then audit again")
                if message.offset() >= self._ends[partition]:
                    unfinished.discard(partition)
                elif error is None and partition in unfinished:
                    yield message


def _seen(item: bytes) -> Seen:
    order_id, partition, offset, named, read, digested, readable = _ITEM.unpack(item)
    ids = UUID(bytes=order_id), UUID(bytes=named), UUID(bytes=read)
    return Seen(ids[0], partition, offset, ids[1], ids[2], digested, readable)


def _majority(*texts: bytes | None) -> UUID | None:
    """The order that most of key, header and value name; the first of them where they all differ."""
    found = Counter(order_id for text in texts if (order_id := _uuid(text)) is not None)
    return found.most_common(1)[0][0] if found else None


def _uuid(text: bytes | None) -> UUID | None:
    try:
        return UUID(text.decode()) if text else None
    except ValueError:
        return None
