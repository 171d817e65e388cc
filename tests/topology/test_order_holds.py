"""The order of keys by properties: whatever fails, dies, comes back or is repeated, and wherever a task is killed.

Judged by the log of the handler's own effects, which no checkpoint takes back, as by the rows of a fold.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import PermanentError, TransientError
from app.streaming import lanes, projection
from app.streaming.boundary import Boundary
from app.streaming.brake import Brake, BrakePolicy
from app.streaming.driver import Driver
from app.streaming.failures import Attempt
from app.streaming.lanes import Lanes
from app.streaming.letters import Letter, Outcome, read_letter_topic
from app.streaming.policy import FailurePolicy
from app.streaming.projection import Projections
from app.streaming.record import Output, Record
from app.streaming.table import TableSpec
from app.streaming.timers import TimerRow, timer_table
from app.streaming.topology import StructCodec, TaskBatch, Topology
from tests.topology.story import DLQ, OTHER_SOURCE, SOURCE, Story, Text, letters, send_back, value_of

POLICY = FailurePolicy((1_000, 2_000), parked_most=2)
ERRORS: dict[str, type[Exception]] = {"t": TransientError, "p": PermanentError}
ROUNDS = 60
KEYS = ("a", "b", "c")

Step: TypeAlias = tuple[str, Any, Any]

plans = st.sampled_from(["", "", "", "t", "tt", "ttt", "p", "pp", "ptt", "tttp"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(KEYS), plans),
        st.tuples(st.just("flood"), st.sampled_from(KEYS), st.integers(2, 9)),
        st.tuples(st.just("meet"), st.sampled_from([SOURCE, OTHER_SOURCE]), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 3), st.none()),
        st.tuples(st.just("kill"), st.none(), st.none()),
        st.tuples(st.just("redrive"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("repeat"), st.integers(0, 9), st.none()),
        st.tuples(st.just("heal"), st.none(), st.none()),
    ),
    max_size=40,
).map(lambda told: [("send", KEYS[0], "p"), ("flood", KEYS[0], 4), *told])


class Wake(msgspec.Struct, frozen=True):
    key: str
    name: str
    due_at: int


class World:
    """Handlers that fail by plan; `log` is what they did to the outside, which takes nothing twice."""

    def __init__(self) -> None:
        self.plans: dict[str, list[str]] = {}
        self.sent: dict[str, list[str]] = defaultdict(list)
        self.log: dict[str, list[str]] = defaultdict(list)

    def handle(self, text: Text) -> None:
        if plan := self.plans.get(text.text):
            raise ERRORS[plan.pop(0)](f"{text.text} fails")
        if text.text not in self.log[text.key]:
            self.log[text.key].append(text.text)

    async def to_record(self, record: Record, attempt: Attempt) -> None:
        self.handle(msgspec.msgpack.decode(record.value or b"", type=Text))

    async def to_timer(self, timer: TimerRow) -> None: ...
    def prepare(self, record: Record) -> None: ...

    def fold(self, row: Story | None, text: Text) -> Story:
        self.handle(text)
        return Story((*(row.texts if row else ()), text.text))


def folding(world: World) -> Topology:
    topology = Topology("story", POLICY)
    sources = [topology.source(topic, StructCodec(Text, lambda text: text.key)) for topic in (SOURCE, OTHER_SOURCE)]
    projections = Projections(topology)
    projections.add(*sources, into=TableSpec("stories", Story), fold=world.fold)

    @topology.agent
    async def tell(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await projections.process(batch)

    return topology


def acting(world: World) -> Topology:
    topology = Topology("story", POLICY)
    for topic in (SOURCE, OTHER_SOURCE):
        topology.source(topic, StructCodec(Text, lambda text: text.key))
    topology.table(timer_table(Wake))

    def bind(boundary: Boundary) -> Lanes:
        assert boundary.timers is not None
        return Lanes(world, boundary, boundary.timers, Brake(BrakePolicy()))

    topology.runner = bind

    @topology.agent
    async def tell(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            batch.deliver()

    return topology


class Operator:
    """Sends letters back: the heads of keys first, then what waits behind them, in its sequence."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def letters(self) -> list[Letter]:
        """Those that nothing final became of."""
        found = [read_letter_topic(record) for record in self._driver.records(DLQ)]
        over = {one.letter for one in found if isinstance(one, Outcome) and one.result != "returned"}
        return [one for one in found if isinstance(one, Letter) and one.id not in over]

    def send_one(self, number: int, *, twice: bool) -> None:
        if open_letters := self.letters():
            for _ in range(1 + twice):
                send_back(self._driver, open_letters[number % len(open_letters)])

    def send_any(self, number: int) -> None:
        """Also one that is over long since."""
        if found := letters(self._driver):
            send_back(self._driver, found[number % len(found)])

    def send_all(self) -> None:
        for _ in range(ROUNDS):
            waiting = self.letters()
            if not waiting:
                return
            for letter in sorted(waiting, key=lambda one: one.sequence or 0):
                send_back(self._driver, letter)
            self._driver.advance(timedelta(seconds=10))
        raise AssertionError(f"letters never come to an end: {self.letters()}")


class Run:
    """Takes the steps of an example, one by one."""

    def __init__(self, driver: Driver, world: World) -> None:
        self._driver, self._world, self._operator = driver, world, Operator(driver)
        self._topic, self._count = SOURCE, 0

    def take(self, step: Step) -> None:
        name, first, second = step
        match name:
            case "send":
                self._send(first, second)
            case "flood":
                for _ in range(second):
                    self._send(first, "")
            case "meet":  # whichever topic the records come by, the task meets them in this order
                self._driver.run()
                self._topic = first
            case "wait":
                self._driver.advance(timedelta(seconds=first))
            case "kill":
                self._driver.crash()
            case "heal":
                self._world.plans.clear()
            case "redrive":
                self._operator.send_one(first, twice=second)
            case _:
                self._operator.send_any(first)

    def _send(self, key: str, plan: str) -> None:
        text = f"{self._count}"
        self._count += 1
        self._world.plans[text] = list(plan)
        self._world.sent[key].append(text)
        self._driver.pipe(Output(self._topic, key.encode(), value_of(key, text)))
        self._driver.step()


@contextmanager
def run_through(told: list[Step], topology: Topology, world: World, seed: int) -> Iterator[Driver]:
    with pytest.MonkeyPatch.context() as patch, Driver([topology], random=Random(seed)) as driver:
        for module in (projection, lanes):
            patch.setattr(module, "DRAIN_STEP", 2)  # so that a task can be killed while a key drains
        run = Run(driver, world)
        for step in told:
            run.take(step)
        driver.advance(timedelta(seconds=10))
        yield driver


def check_log(world: World, driver: Driver) -> None:
    """Not one later text before an earlier one, at any time; all of them in the end."""
    for key, log in world.log.items():
        assert log == world.sent[key][: len(log)]
    world.plans.clear()
    Operator(driver).send_all()
    assert {key: log for key, log in world.log.items() if log} == dict(world.sent)
    assert driver.rows("story", "blocked") == driver.rows("story", "parked") == {}


DEEP: list[Step] = [("send", "a", "p"), *[("send", "a", "p" if n % 3 else "tt") for n in range(12)]]


@settings(max_examples=150)
@given(steps, st.integers(0, 2**16))
@example([*DEEP, ("kill", None, None), ("redrive", 0, True), ("kill", None, None)], 1)
def test_folds_of_a_key_see_its_records_in_order_once_each(told: list[Step], seed: int) -> None:
    world = World()
    with run_through(told, folding(world), world, seed) as driver:
        check_log(world, driver)
        rows = {key.decode(): list(row.texts) for key, row in driver.rows("story", "stories").items()}
        assert rows == dict(world.sent)


@settings(max_examples=100)
@given(steps, st.integers(0, 2**16))
@example([*DEEP, ("kill", None, None), ("redrive", 0, True), ("kill", None, None)], 1)
def test_reactions_of_a_key_act_in_the_order_of_its_records_once_each(told: list[Step], seed: int) -> None:
    world = World()
    with run_through(told, acting(world), world, seed) as driver:
        check_log(world, driver)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_bug_that_is_fixed_leaves_no_trace(seed: int) -> None:
    """500 records die of it, 3,000 come behind them, some past the bound; once all have come back, rows are what they
    would have been."""
    world, random = World(), Random(seed)
    told: list[Step] = [("send", f"k{n}", "p" * 9) for n in range(500)]
    told += [("send", f"k{random.randrange(500)}", "") for _ in range(3_000)]
    with run_through(told, folding(world), world, seed) as driver:
        dead = letters(driver)
        behind = [letter for letter in dead if letter.sequence is not None]
        assert len(dead) - len(behind) == 500
        assert len(behind) > 1_000
        check_log(world, driver)
        rows = {key.decode(): list(row.texts) for key, row in driver.rows("story", "stories").items()}
        assert rows == dict(world.sent)
