"""What a client has fetched, as columns of keys and values and as records; what it is to send. By its own messages."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, Producer

from app.streaming.record import Headers, Record

# their names are not UTF-8: the client cannot give them out
UNREADABLE_HEADERS: Headers = [("__orderflow.unreadable", None)]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """Records of one topic partition that follow each other, from `begin` up to but not including `end`, which may lie
    past the last one. Or the error of that place, if there is one; where it is of no place, there is no topic."""

    topic: str
    partition: int
    begin: int
    end: int
    keys: Sequence[bytes | None] = ()
    values: Sequence[bytes | None] = ()
    record: Callable[[int], Record] = ().__getitem__
    error: KafkaError | None = None

    def since(self, begin: int) -> "Taken":
        """Without the records before this offset."""
        first = 0
        while first < len(self.keys) and self.record(first).offset < begin:
            first += 1
        record = self.record
        return Taken(
            self.topic,
            self.partition,
            begin,
            self.end,
            self.keys[first:],
            self.values[first:],
            lambda index: record(first + index),
        )


class Intake(Protocol):
    """Takes from a consumer what it has fetched, in its order within each topic partition."""

    def add(self, topic: str, partition: int) -> None:
        """Called before the consumer is assigned this place, and now and then while it is: when the client is done with
        an earlier assignment of it, that is forgotten."""
        ...

    def take(self, most: int, wait_s: float) -> list[Taken]:
        """What is there, of `most` messages; waits so long for the first one, while partitions that end are noted."""
        ...

    def close(self) -> None:
        """Called before the consumer is closed: no record may be asked for any more."""
        ...


class MessageIntake:
    """By the messages that the client makes."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def add(self, topic: str, partition: int) -> None:
        """What is assigned is taken."""

    def take(self, most: int, wait_s: float) -> list[Taken]:
        messages, until = self._consumer.consume(most, 0), time.monotonic() + wait_s
        while len(messages) < most and all(map(_is_end, messages)) and (left_s := until - time.monotonic()) > 0:
            # consume() with a timeout waits for all it was asked for; poll() returns with the first
            if message := self._consumer.poll(left_s):
                messages += [message, *self._consumer.consume(most - len(messages) - 1, 0)]
        return _by_place(messages) if messages else []

    def close(self) -> None:
        """Its records are Python's own."""


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def _by_place(messages: list[Message]) -> list[Taken]:
    groups: dict[tuple[str, int], list[Message]] = {}
    ends: dict[tuple[str, int], int] = {}
    failed: list[Taken] = []
    for message in messages:
        place, error = (message.topic() or "", message.partition()), message.error()
        if error is None:
            groups.setdefault(place, []).append(message)
            ends[place] = message.offset() + 1
        elif _is_end(message):
            ends[place] = message.offset()
        else:
            failed.append(Taken(*place, 0, 0, error=error))
    return [_taken(*place, groups.get(place, []), end) for place, end in ends.items()] + failed


def _taken(topic: str, partition: int, group: list[Message], end: int) -> Taken:
    begin = group[0].offset() if group else end
    keys, values = [message.key() for message in group], [message.value() for message in group]
    return Taken(topic, partition, begin, end, keys, values, lambda index: to_record(group[index]))


def to_record(message: Message) -> Record:
    """A fetched message as a record."""
    try:
        headers = message.headers() or ()
    except (UnicodeDecodeError, SystemError):
        headers = UNREADABLE_HEADERS
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        headers,
    )


StoredRows: TypeAlias = Sequence[tuple[bytes, bytes | None]]
SendRows: TypeAlias = Callable[[Producer, str, int, StoredRows], StoredRows]


def send_rows(producer: Producer, topic: str, partition: int, rows: StoredRows) -> StoredRows:
    """Send rows by their keys to one partition. Answers those for which the client has no room now."""
    for index, (key, row) in enumerate(rows):
        try:
            producer.produce(topic, row, key, partition)
        except BufferError:
            return rows[index:]
    return ()
