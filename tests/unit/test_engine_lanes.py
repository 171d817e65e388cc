"""Lanes and the fetcher at the moments that matter: before a checkpoint, and while a wait is under way."""

import asyncio
import threading
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest
from confluent_kafka import TopicPartition

from app.librdkafka import VARIABLE
from app.streaming.brake import Brake, BrakePolicy
from app.streaming.errors import KeyMismatchError
from app.streaming.failures import Attempt
from app.streaming.kafka.fetch import Fetcher
from app.streaming.kafka.limited import Limit, limited
from app.streaming.lanes import ADMITTED, Lanes
from app.streaming.policy import FailurePolicy
from app.streaming.record import Record, RecordBatch
from app.streaming.task import Task
from app.streaming.timers import TimerRow, timer_table
from app.streaming.topology import StructCodec, Topology
from app.streaming.volatile import MemoryStore
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

FOREIGN = b"of another key"


class Letter(msgspec.Struct, frozen=True):
    key: str


class Wake(msgspec.Struct, frozen=True):
    key: str
    name: str
    due_at: int


class Handler:
    """Handles nothing before it is let go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun: list[int] = []
        self.fired: list[TimerRow] = []

    def prepare(self, record: Record) -> None: ...

    async def to_record(self, record: Record, attempt: Attempt) -> None:
        self.begun.append(record.offset)
        await self.go_on.wait()
        if record.value == FOREIGN:
            raise KeyMismatchError("of another key")

    async def to_timer(self, timer: TimerRow) -> None:
        self.fired.append(timer)


def task_of(handler: Handler) -> Task:
    topology = Topology("lanes", FailurePolicy((100,)))
    topology.source("in", StructCodec(Letter, lambda letter: letter.key))
    topology.table(timer_table(Wake))

    def bind(boundary: Any) -> Lanes:
        return Lanes(handler, boundary, boundary.timers, Brake(BrakePolicy()))

    topology.runner = bind
    task = Task(topology, 0, lambda: 1_000_000)
    task.open(MemoryStore(), dict.fromkeys(topology.input_topics, 0))
    return task


def batch(begin: int, keys: list[bytes], value: bytes = b"") -> RecordBatch:
    records = [Record("in", 0, begin + n, 0, key, value, []) for n, key in enumerate(keys)]
    return RecordBatch.of("in", 0, begin, begin + len(keys), records)


async def settled(task: Task, handler: Handler) -> None:
    settling = asyncio.ensure_future(task.runner.settle())
    await asyncio.sleep(0)
    handler.go_on.set()
    await settling


async def test_a_checkpoint_waits_for_one_record_of_a_key_and_parks_the_rest() -> None:
    """The position says what was handled or is parked; afterwards the parked ones follow in order."""
    handler = Handler()
    task = task_of(handler)
    task.take(batch(0, [b"busy"] * 5 + [b"other"]))
    await asyncio.sleep(0)
    await settled(task, handler)
    assert handler.begun == [0, 5]
    assert task.state.positions["in"] == 6
    assert task.parking.counts() == (4, 0)
    task.runner.resume()
    task.take(batch(6, [b"busy"]))
    while task.parking.blocked:
        task.tick()
        await asyncio.sleep(0)
    assert handler.begun == [0, 5, 1, 2, 3, 4, 6]
    task.close()


async def test_a_parked_record_that_blocks_nothing_lets_its_key_go_on() -> None:
    handler = Handler()
    task = task_of(handler)
    task.take(batch(0, [b"busy"]))
    task.take(batch(1, [b"busy"] * 2, FOREIGN))
    await asyncio.sleep(0)
    await settled(task, handler)
    assert task.parking.counts() == (2, 0)
    task.runner.resume()
    while task.parking.blocked:
        task.tick()
        await asyncio.sleep(0)
    await task.runner.settle()
    assert handler.begun == [0, 1, 2]
    task.close()


async def test_no_more_is_at_work_than_may_be() -> None:
    """Redeliveries and timers included: what is due waits for room."""
    handler = Handler()
    task = task_of(handler)
    task.take(batch(0, [str(n).encode() for n in range(ADMITTED + 10)]))
    await asyncio.sleep(0)
    assert (len(handler.begun), task.runner.backlog(), task.runner.room()) == (ADMITTED, 10, 0)
    assert task.timers is not None
    task.timers.set(Wake("timed", "x", 1))
    task.ends_are({"in": 0}, 2)
    task.fire_timers()
    await asyncio.sleep(0)
    assert handler.fired == []
    await settled(task, handler)
    task.runner.resume()
    task.fire_timers()
    await asyncio.sleep(0)
    assert handler.fired == [Wake("timed", "x", 1)]
    task.close()


class Client:
    """A consumer whose wait ends when it is told to."""

    def __init__(self) -> None:
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self.calls: list[str] = []
        self.message: Any = None

    def consume(self, count: int, timeout: float) -> list[Any]:
        return []

    def poll(self, timeout: float) -> Any:
        self.waiting.set()
        self.go_on.wait(5)
        return self.message

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.calls.append(f"assign at {places[0].offset}")

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        self.calls.append("unassign")

    def get_watermark_offsets(self, place: TopicPartition, *, cached: bool) -> None: ...
    def close(self) -> None: ...


class Fetched:
    """A message as the client gives it out."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        return "in"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def error(self) -> None: ...
    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return b"v"


async def test_what_a_wait_returns_belongs_to_the_positions_from_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An assignment meanwhile is made after it: else records between the two would be skipped or doubled."""
    monkeypatch.setenv(VARIABLE, "plain")
    client = Client()
    fetcher = Fetcher(client)
    fetcher.assign(0, {"in": 7})
    fetching = asyncio.ensure_future(fetcher.fetch(lambda *error: None))
    await asyncio.to_thread(client.waiting.wait, 5)
    fetcher.assign(0, {"in": 3})
    client.message = Fetched(7)
    client.go_on.set()
    (found,) = await fetching
    assert (found.begin, found.end) == (7, 8)
    assert client.calls == ["assign at 7", "unassign", "assign at 3"]
    client.message = Fetched(3)
    (found,) = await fetcher.fetch(lambda *error: None)
    assert (found.begin, found.end) == (3, 4)
    await fetcher.close()


async def test_a_call_that_hangs_is_given_up() -> None:
    """And one that fails says why."""
    never = threading.Event()
    with pytest.raises(TimeoutError, match="did not come back"):
        await limited(never.wait, Limit(0.01))
    never.set()
    assert await limited(lambda: 5, Limit(5)) == 5
    with pytest.raises(ZeroDivisionError):
        await limited(lambda: 1 // 0, Limit(5))


async def test_calls_share_threads() -> None:
    """What starts a thread waits until it runs, and holds up the loop meanwhile."""
    threads = {await limited(threading.get_native_id, Limit(5)) for _ in range(50)}
    assert len(threads) < 50


async def test_a_call_that_was_given_up_goes_no_further() -> None:
    """Neither one whose caller was cancelled."""
    limit, began, goes_on = Limit(5), threading.Event(), threading.Event()
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def call() -> None:
        began.set()
        goes_on.wait()
        try:
            limit.extend(5)
        except TimeoutError as error:
            ends.put(error)
        else:
            ends.put(None)

    waiting = asyncio.create_task(limited(call, limit))
    await asyncio.to_thread(began.wait)
    waiting.cancel()
    await asyncio.wait({waiting})
    goes_on.set()
    assert await asyncio.to_thread(ends.get) is not None


async def test_a_checkpoint_that_waits_for_a_call_is_let_go_when_its_task_is_dropped() -> None:
    handler = Handler()
    task = task_of(handler)
    task.take(batch(0, [b"busy"]))
    await asyncio.sleep(0)
    settling = asyncio.ensure_future(task.runner.settle())
    await asyncio.sleep(0)
    task.close()
    await asyncio.wait_for(settling, PATIENCE_S)
