"""A topic by which records come back, as a source of its own task: it holds its head until that is due."""

import zlib
from collections import deque
from collections.abc import Iterator

from app.streaming.record import Record, RecordBatch


class Delayed:
    """All records of a topic wait the same time, so the head is the first one due. With `jitter` each waits longer by
    up to this share of the delay, and for those before it: never shorter."""

    def __init__(self, topic: str, delay_ms: int, jitter: float = 0.0) -> None:
        self.topic, self.delay_ms, self._jitter_ms = topic, delay_ms, int(delay_ms * jitter)
        self._waiting: deque[tuple[int, Record]] = deque()
        self._end = 0

    def open(self, position: int) -> None:
        self._waiting.clear()
        self._end = position

    def take(self, batch: RecordBatch, now_ms: int) -> None:
        """Hold the records; a timestamp from the future counts as now, so that it cannot hold up those behind it."""
        for index in range(len(batch)):
            record = batch.record(index)
            due_ms = min(record.timestamp_ms, now_ms) + self.delay_ms + self._jitter_of(record)
            self._waiting.append((due_ms, record))
        self._end = batch.end

    def _jitter_of(self, record: Record) -> int:
        """Of the key, so that it is the same after a restart, and keys that failed together spread."""
        return zlib.crc32(record.key or b"") % (self._jitter_ms + 1) if self._jitter_ms else 0

    def due(self, now_ms: int) -> Iterator[tuple[int, Record]]:
        """When they were due, and the records that are, each no longer held once it is given out."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            yield self._waiting.popleft()

    def is_due(self, now_ms: int) -> bool:
        """Whether the head is. A clock that was set back makes no wait longer than it was to be."""
        latest_ms = now_ms + self.delay_ms + self._jitter_ms
        if self._waiting and self._waiting[0][0] > latest_ms:
            self._waiting = deque((min(due_ms, latest_ms), record) for due_ms, record in self._waiting)
        return bool(self._waiting) and self._waiting[0][0] <= now_ms

    @property
    def position(self) -> int:
        """The next offset to handle."""
        return self._waiting[0][1].offset if self._waiting else self._end

    def next_due_ms(self) -> int | None:
        return self._waiting[0][0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)
