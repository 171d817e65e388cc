"""Fetches the source records of all tasks of a worker, as batches in the order of their topics."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, TopicPartition

from app.streaming.kafka.client import intake_of
from app.streaming.kafka.messages import Taken
from app.streaming.record import RecordBatch

BATCH = 1000
WAIT_S = 0.1
ENDS_S = 0.1

Place: TypeAlias = tuple[str, int]
OnError: TypeAlias = Callable[[str, int, KafkaError], None]  # told of the topic and partition


class Fetcher:
    """Positions are told to it: it keeps none that outlive `unassign`.

    While its thread waits for records nothing is assigned or taken away, only noted: what the wait returns must still
    belong to the positions it is counted from. A wait takes `WAIT_S`.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer, self._intake = consumer, intake_of(consumer)
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
        for topic, offset in positions.items():
            self._positions[topic, partition] = offset
            self._intake.add(topic, partition)
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

    def holds(self, partition: int) -> bool:
        """Whether a topic of the task is not fetched now."""
        return any(place[1] == partition for place in self._held)

    def ends(self, partition: int) -> dict[str, int]:
        """The last known ends of a task's topics, for lag: `ENDS_S` and a wait old at most, unless it holds them."""
        return self._ends.get(partition, {})

    def _look_around(self) -> None:
        """Learn the ends, and have every place taken from that is assigned. Between waits only: the client does not
        even say what it knows while another thread waits in it."""
        if time.monotonic() - self._ends_at < ENDS_S:
            return
        ends: dict[int, dict[str, int]] = {}
        for topic, partition in self._positions:
            self._intake.add(topic, partition)
            # no request is made
            marks = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if marks is not None and marks[1] >= 0:
                ends.setdefault(partition, {})[topic] = marks[1]
        self._ends, self._ends_at = ends, time.monotonic()

    async def fetch(self, on_error: OnError) -> list[RecordBatch]:
        """The batches that are there; waits a moment for the first record when there is none."""
        taken = self._intake.take(BATCH, 0)
        if not taken:
            self._waits = True
            try:
                taken = await asyncio.get_running_loop().run_in_executor(self._pool, self._intake.take, BATCH, WAIT_S)
            finally:
                self._waits = False
        batches: list[RecordBatch] = []
        for one in taken:
            if one.error is None:
                batches += self._batches(one)
            elif one.topic:
                on_error(one.topic, one.partition, one.error)
        while self._noted:
            self._noted.pop(0)()
        self._look_around()
        return batches

    def _batches(self, taken: Taken) -> list[RecordBatch]:
        """One of what comes next at its place; none when that was taken away meanwhile."""
        place = (taken.topic, taken.partition)
        begin = self._positions.get(place)
        if begin is None or taken.end <= begin:
            return []
        self._positions[place] = taken.end
        if taken.begin < begin:
            taken = taken.since(begin)
        return [RecordBatch(*place, begin, taken.end, taken.keys, taken.values, taken.record)]

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown)
        self._intake.close()
        await asyncio.to_thread(self._consumer.close)
