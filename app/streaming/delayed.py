"""A retry topic as a source of its own task: it holds its head until that is due."""

from collections import deque
from collections.abc import Iterator

from app.streaming.record import Record, RecordBatch


class Delayed:
    """All records of a retry topic wait the same time, so the head is always the first one due."""

    def __init__(self, topic: str, delay_ms: int) -> None:
        self.topic, self.delay_ms = topic, delay_ms
        self._waiting: deque[tuple[int, Record]] = deque()
        self._end = 0

    def open(self, position: int) -> None:
        self._waiting.clear()
        self._end = position

    def take(self, batch: RecordBatch, now_ms: int) -> None:
        """Hold the records; a timestamp from the future counts as now, so that it cannot hold up those behind it."""
        for index in range(len(batch)):
            record = batch.record(index)
            self._waiting.append((min(record.timestamp_ms, now_ms) + self.delay_ms, record))
        self._end = batch.end

    def due(self, now_ms: int) -> Iterator[Record]:
        """The records that are due, each no longer held once it is given out."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            yield self._waiting.popleft()[1]

    @property
    def position(self) -> int:
        """The next offset to handle."""
        return self._waiting[0][1].offset if self._waiting else self._end

    def next_due_ms(self) -> int | None:
        return self._waiting[0][0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)
