"""Fetches the source records of all tasks of a worker, as batches in the order of their topics."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, Message, TopicPartition

from app.streaming.record import Record, RecordBatch

BATCH = 1000
WAIT_S = 0.05


def to_record(message: Message) -> Record:
    """A fetched message as a record; a header without a value is an empty one."""
    headers = [(name, value or b"") for name, value in message.headers() or ()]
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        headers,
    )


class Fetcher:
    """Positions are told to it: it keeps none that outlive `unassign`."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._positions: dict[tuple[str, int], int] = {}
        self._paused: set[int] = set()

    def assign(self, partition: int, positions: dict[str, int]) -> None:
        """Fetch these topics of a task from these offsets, whatever was fetched of them before."""
        self.unassign(partition)
        self._positions.update({(topic, partition): offset for topic, offset in positions.items()})
        self._consumer.incremental_assign([TopicPartition(t, partition, offset) for t, offset in positions.items()])

    def unassign(self, partition: int) -> None:
        gone = [key for key in self._positions if key[1] == partition]
        for key in gone:
            del self._positions[key]
        self._paused.discard(partition)
        if gone:
            self._consumer.incremental_unassign([TopicPartition(*key) for key in gone])

    def hold(self, partition: int, *, hold: bool) -> None:
        """Stop or go on fetching a task whose backlog is long."""
        if hold == (partition in self._paused):
            return
        tps = [TopicPartition(*key) for key in self._positions if key[1] == partition]
        if hold:
            self._paused.add(partition)
            self._consumer.pause(tps)
        else:
            self._paused.discard(partition)
            self._consumer.resume(tps)

    def ends(self, partition: int) -> dict[str, int]:
        """The last known ends of a task's topics (for lag; no request is made)."""
        known: dict[str, int] = {}
        for topic, _ in [key for key in self._positions if key[1] == partition]:
            marks = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if marks is not None and marks[1] >= 0:
                known[topic] = marks[1]
        return known

    async def fetch(self, on_error: Callable[[str, int, str], None]) -> list[RecordBatch]:
        """The batches that are there; waits a moment for the first record when there is none."""
        messages = self._consumer.consume(BATCH, 0)
        if not messages:
            messages = await asyncio.get_running_loop().run_in_executor(self._pool, self._wait)
        groups: dict[tuple[str, int], tuple[list[Message], int]] = {}
        for message in messages:
            key = message.topic(), message.partition()
            error = message.error()
            if error is None:
                group = groups.setdefault(key, ([], 0))[0]
                group.append(message)
                groups[key] = (group, message.offset() + 1)
            elif error.name() == "_PARTITION_EOF":
                groups[key] = (groups.get(key, ([], 0))[0], message.offset())
            elif key[0] is not None:
                on_error(key[0], key[1], error.str())
        return [batch for key, (group, end) in groups.items() if (batch := self._batch(key, group, end)) is not None]

    def _wait(self) -> list[Message]:
        # consume() with a timeout waits for all it was asked for; poll() returns with the first
        message = self._consumer.poll(WAIT_S)
        return [] if message is None else [message, *self._consumer.consume(BATCH - 1, 0)]

    def _batch(self, key: tuple[str, int], group: list[Message], end: int) -> RecordBatch | None:
        begin = self._positions.get(key)
        if begin is None or end <= begin:
            return None
        self._positions[key] = end
        keys, values = [m.key() for m in group], [m.value() for m in group]
        return RecordBatch(key[0], key[1], begin, end, keys, values, lambda index: to_record(group[index]))

    async def close(self) -> None:
        self._pool.shutdown(wait=True)
        self._consumer.close()
