"""Fetches the source records of all tasks of a worker, as batches in the order of their topics."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from app.streaming.record import Record, RecordBatch

BATCH = 1000
WAIT_S = 0.1
ENDS_S = 0.1

Place: TypeAlias = tuple[str, int]


def to_record(message: Message) -> Record:
    """A fetched message as a record."""
    try:
        headers = message.headers() or ()
    except (UnicodeDecodeError, SystemError):  # names that are not UTF-8: the client cannot give them out
        headers = [("__orderflow.unreadable", None)]
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
    """Positions are told to it: it keeps none that outlive `unassign`.

    While its thread waits for records nothing is assigned or taken away, only noted: what the wait returns must still
    belong to the positions it is counted from. A wait takes `WAIT_S`.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._positions: dict[Place, int] = {}
        self._held: set[Place] = set()
        self._waits = False
        self._noted: list[Callable[[], None]] = []
        self._ends: dict[int, dict[str, int]] = {}
        self._ends_at = 0.0

    def assign(self, partition: int, positions: dict[str, int]) -> None:
        """Fetch these topics of a task from these offsets, whatever was fetched of them before."""
        self._change(partial(self._assign, partition, positions))

    def unassign(self, partition: int) -> None:
        self._change(partial(self._unassign, partition))

    def hold(self, topic: str, partition: int, *, hold: bool) -> None:
        """Stop or go on fetching a topic of which much is waiting."""
        if hold != ((topic, partition) in self._held):
            self._change(partial(self._hold, (topic, partition), hold=hold))

    def _change(self, change: Callable[[], None]) -> None:
        if self._waits:
            self._noted.append(change)
        else:
            change()

    def _assign(self, partition: int, positions: dict[str, int]) -> None:
        self._unassign(partition)
        self._positions.update({(topic, partition): offset for topic, offset in positions.items()})
        self._consumer.incremental_assign([TopicPartition(t, partition, offset) for t, offset in positions.items()])

    def _unassign(self, partition: int) -> None:
        gone = [place for place in self._positions if place[1] == partition]
        for place in gone:
            self._hold(place, hold=False)  # the client would hold it beyond this assignment
            del self._positions[place]
        if gone:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in gone])

    def _hold(self, place: Place, *, hold: bool) -> None:
        if place in self._positions and hold:
            self._held.add(place)
            self._consumer.pause([TopicPartition(*place)])
        elif place in self._held and not hold:
            self._held.discard(place)
            self._consumer.resume([TopicPartition(*place)])

    def ends(self, partition: int) -> dict[str, int]:
        """The last known ends of a task's topics, for lag: `ENDS_S` and a wait old at most."""
        return self._ends.get(partition, {})

    def _learn_ends(self) -> None:
        """Between waits only: the client does not even say what it knows while another thread waits in it."""
        if time.monotonic() - self._ends_at < ENDS_S:
            return
        ends: dict[int, dict[str, int]] = {}
        for topic, partition in self._positions:
            # no request is made
            marks = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if marks is not None and marks[1] >= 0:
                ends.setdefault(partition, {})[topic] = marks[1]
        self._ends, self._ends_at = ends, time.monotonic()

    async def fetch(self, on_error: Callable[[str, int, KafkaError], None]) -> list[RecordBatch]:
        """The batches that are there; waits a moment for the first record when there is none."""
        messages = self._consumer.consume(BATCH, 0)
        if not messages:
            self._waits = True
            try:
                messages = await asyncio.get_running_loop().run_in_executor(self._pool, self._wait)
            finally:
                self._waits = False
        batches = self._batches(messages, on_error)
        while self._noted:
            self._noted.pop(0)()
        self._learn_ends()
        return batches

    def _wait(self) -> list[Message]:
        # consume() with a timeout waits for all it was asked for; poll() returns with the first
        message = self._consumer.poll(WAIT_S)
        return [] if message is None else [message, *self._consumer.consume(BATCH - 1, 0)]

    def _batches(self, messages: list[Message], on_error: Callable[[str, int, KafkaError], None]) -> list[RecordBatch]:
        groups: dict[Place, list[Message]] = {}
        ends: dict[Place, int] = {}
        for message in messages:
            place, error = (message.topic(), message.partition()), message.error()
            if error is None:
                groups.setdefault(place, []).append(message)
                ends[place] = message.offset() + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[place] = message.offset()
            elif place[0] is not None:
                on_error(*place, error)
        batches = [self._batch(place, groups.get(place, []), end) for place, end in ends.items()]
        return [batch for batch in batches if batch is not None]

    def _batch(self, place: Place, group: list[Message], end: int) -> RecordBatch | None:
        begin = self._positions.get(place)
        if begin is None or end <= begin:
            return None
        self._positions[place] = end
        if group and group[0].offset() < begin:
            group = [message for message in group if message.offset() >= begin]
        keys, values = [m.key() for m in group], [m.value() for m in group]
        return RecordBatch(*place, begin, end, keys, values, lambda index: to_record(group[index]))

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._consumer.close)
