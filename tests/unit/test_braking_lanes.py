"""Lanes whose brake is not open: what they begin, what they leave, and what a probe may be."""

import asyncio
from typing import Any

import msgspec
import pytest

from app.errors import SurroundingsError, TransientError
from app.streaming.brake import SECOND, Brake, BrakePolicy
from app.streaming.errors import OutageError
from app.streaming.failures import Attempt
from app.streaming.lanes import Lanes
from app.streaming.policy import FailurePolicy
from app.streaming.record import Record, RecordBatch
from app.streaming.task import Task
from app.streaming.timers import TimerRow, timer_table
from app.streaming.topology import StructCodec, Topology
from app.streaming.volatile import MemoryStore

pytestmark = pytest.mark.anyio


class Letter(msgspec.Struct, frozen=True):
    key: str


class Wake(msgspec.Struct, frozen=True):
    key: str
    name: str
    due_at: int


class Party:
    """Calls the outside for every record and timer; while `down`, each call fails. It knows `known` values."""

    def __init__(self) -> None:
        self.brake = Brake(BrakePolicy(keys=2, first_pause_s=1.0))
        self.now_us = 1_000 * SECOND
        self.down = True
        self.known = {b""}
        self.called: list[str] = []

    def prepare(self, record: Record) -> None:
        if record.value not in self.known:
            raise SurroundingsError("nobody has told yet")

    async def to_record(self, record: Record, attempt: Attempt) -> None:
        await self._call(f"{record.offset}#{attempt.number}", record.key or b"")

    async def to_timer(self, timer: TimerRow) -> None:
        await self._call(timer.name, timer.key.encode())

    async def _call(self, what: str, key: bytes) -> None:
        self.called.append(what)
        await asyncio.sleep(0)
        if not self.down:
            self.brake.answered()
        elif self.brake.failed(key, self.now_us):
            raise TransientError("away")
        else:
            raise OutageError("away")


def task_of(party: Party) -> Task:
    topology = Topology("braking", FailurePolicy((100,)))
    topology.source("in", StructCodec(Letter, lambda letter: letter.key))
    topology.table(timer_table(Wake))

    def bind(boundary: Any) -> Lanes:
        return Lanes(party, boundary, boundary.timers, party.brake)

    topology.runner = bind
    task = Task(topology, 0, lambda: party.now_us)
    task.open(MemoryStore(), dict.fromkeys(topology.input_topics, 0))
    return task


def batch(begin: int, keys: list[bytes], value: bytes = b"") -> RecordBatch:
    records = [Record("in", 0, begin + n, 0, key, value, []) for n, key in enumerate(keys)]
    return RecordBatch.of("in", 0, begin, begin + len(keys), records)


async def turn(task: Task) -> None:
    """As between two checkpoints."""
    task.tick()
    await asyncio.sleep(0)
    await task.runner.settle()
    task.runner.resume()


@pytest.fixture
def party() -> Party:
    return Party()


@pytest.fixture
async def task(party: Party) -> Task:
    """Its brake is on, since two keys have failed."""
    task = task_of(party)
    task.take(batch(0, [b"a", b"b"]))
    await turn(task)
    assert (party.called, party.brake.state) == (["0#1", "1#1"], "braking")
    return task


def held(task: Task) -> str | None:
    hold = task.runner.hold()
    return None if hold is None else hold.state


async def test_nothing_is_begun_while_it_is_on(party: Party, task: Task) -> None:
    task.take(batch(2, [b"c", b"d"]))
    await turn(task)
    assert (held(task), task.runner.room(), task.runner.backlog(), task.state.positions["in"]) == ("braking", 0, 2, 2)
    assert len(party.called) == 2


async def test_one_record_is_tried_when_it_is_time_and_the_others_wait(party: Party, task: Task) -> None:
    task.take(batch(2, [b"c", b"d"]))
    party.now_us = party.brake.until
    await turn(task)
    assert party.called[2:] == ["2#1"]
    assert (held(task), task.state.positions["in"]) == ("braking", 3)


async def test_all_go_on_once_a_try_is_answered(party: Party, task: Task) -> None:
    task.take(batch(2, [b"c", b"d", b"e"]))
    party.now_us, party.down = party.brake.until, False
    await turn(task)
    await turn(task)
    assert (party.called[2:], held(task)) == (["2#1", "3#1", "4#1"], None)


async def test_what_makes_no_call_lets_the_next_one_be_tried_at_once(party: Party, task: Task) -> None:
    """The record of a blocked key is parked."""
    task.take(batch(2, [b"a", b"a", b"c", b"d"]))
    party.now_us = party.brake.until
    await turn(task)
    await turn(task)
    assert party.called[2:] == ["4#1"]
    assert sum(task.parking.counts()) == 2


async def test_a_timer_may_be_what_is_tried(party: Party, task: Task) -> None:
    assert task.timers is not None
    task.timers.set(Wake("k", "wake", party.now_us))
    task.ends_are({"in": 2}, party.now_us)
    task.fire_timers()
    await turn(task)
    assert "wake" not in party.called
    party.now_us, party.down = party.brake.until, False
    task.fire_timers()
    await turn(task)
    assert (party.called[2:], held(task)) == (["wake"], None)


async def test_a_task_that_is_given_up_amid_its_try_leaves_the_next_one_to_others(party: Party, task: Task) -> None:
    task.take(batch(2, [b"c"]))
    party.now_us = party.brake.until
    task.tick()
    assert party.brake.state == "probing"
    task.close()
    assert party.brake.lets_probe(party.now_us)


async def test_a_record_that_cannot_be_begun_yet_holds_up_those_behind_it(party: Party) -> None:
    task, party.down = task_of(party), False
    task.take(batch(0, [b"a"]))
    task.take(batch(1, [b"b"], value=b"new"))
    task.take(batch(2, [b"c"]))
    await turn(task)
    assert (party.called, held(task), task.state.positions["in"]) == (["0#1"], "paused", 1)
    party.known.add(b"new")
    await turn(task)
    assert (party.called, held(task), task.state.positions["in"]) == (["0#1", "1#1", "2#1"], None, 3)
