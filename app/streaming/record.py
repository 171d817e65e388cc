"""What goes in and out of a task: records, batches of them, outputs."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

# Bytes of key, value and headers that a topic takes by default. A record can be larger: a topic's own limit is on what
# it takes compressed.
RECORD_LIMIT = 1_048_588


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One Kafka message, as it stands in its topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Output(msgspec.Struct, frozen=True, gc=False):
    """A message to produce in the next checkpoint; `partition` -1 is by hash of the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1
    timestamp_ms: int = 0


def size_of(message: Record | Output) -> int:
    """Bytes of key, value and headers, framing aside."""
    headers = sum([len(name) + len(value or b"") + 2 for name, value in message.headers])
    return len(message.key or b"") + len(message.value or b"") + headers


class RecordBatch:
    """Records of one topic partition fetched together: applying it moves the position from `begin` to `end`.

    `end` may lie past the last record, and a batch may be empty: transaction markers take offsets too. Keys and
    values are columns, since the hot path needs nothing else; `record(i)` is the whole record.
    """

    __slots__ = ("begin", "end", "keys", "partition", "record", "topic", "values")

    def __init__(
        self,
        topic: str,
        partition: int,
        begin: int,
        end: int,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        record: Callable[[int], Record],
    ) -> None:
        self.topic, self.partition, self.begin, self.end = topic, partition, begin, end
        self.keys, self.values, self.record = keys, values, record

    @classmethod
    def of(cls, topic: str, partition: int, begin: int, end: int, records: Sequence[Record]) -> "RecordBatch":
        keys, values = [r.key for r in records], [r.value for r in records]
        return cls(topic, partition, begin, end, keys, values, records.__getitem__)

    def without(self, offsets: frozenset[int]) -> "RecordBatch":
        """The batch without the records at these offsets: applying it moves the position as far."""
        if not any(self.begin <= offset < self.end for offset in offsets):
            return self
        kept = [index for index in range(len(self)) if self.record(index).offset not in offsets]
        keys, values = [self.keys[index] for index in kept], [self.values[index] for index in kept]
        record = self.record
        return RecordBatch(
            self.topic, self.partition, self.begin, self.end, keys, values, lambda index: record(kept[index])
        )

    def __len__(self) -> int:
        return len(self.keys)
