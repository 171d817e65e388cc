"""Small topologies that make every record count: a fold without any guard, and reactions that act on files."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from app.errors import PermanentError, TransientError
from app.streaming.brake import BrakePolicy
from app.streaming.policy import FailurePolicy
from app.streaming.projection import Projections, RowFeed
from app.streaming.reactions import Reactions
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import StructCodec, TaskBatch, Topology


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """The `number`th record of its key, from 1; how its handling is to fail, and what it is to bring about.

    `held`: its calls do not return, though they are cancelled, until the file `released` is there; `blocks_s`: for so
    long nothing else can run.
    """

    key: str
    number: int
    fails: int = 0
    permanent: bool = False
    takes_s: float = 0.0
    held: bool = False
    blocks_s: float = 0.0
    timer_ms: int = 0
    output_size: int = 0
    row_size: int = 0


class Count(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`disorder`: how often a record was not the one after the last."""

    key: str
    count: int = 0
    last: int = 0
    disorder: int = 0
    ballast: bytes = b""


class Share(msgspec.Struct, frozen=True, array_like=True, gc=False):
    bucket: str


class Total(msgspec.Struct, frozen=True, array_like=True, gc=False):
    bucket: str
    total: int


class Wake(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key: str
    name: str
    due_at: int


TICKS = StructCodec(Tick, lambda tick: tick.key)
COUNTS = TableSpec("counts", Count)
TOTALS = TableSpec("totals", Total)
BUCKETS = 16
LOOK_S = 0.05  # between two looks for a file


def bucket_of(key: str) -> str:
    return f"bucket-{int(key.rpartition('-')[2]) % BUCKETS}"


def output_number(value: bytes) -> int | str:
    """Which tick of its key an output is of; the output itself where it says anything but that the tick was done."""
    if not value[:1].isalpha():
        return int(msgspec.msgpack.decode(value)[0])
    said, _, number = value.decode().partition(":")
    return int(number) if said == "done" else value.decode()


def counted(row: Count | None, tick: Tick) -> Count:
    old = row or Count(tick.key)
    right = tick.number == old.last + 1
    return Count(tick.key, old.count + 1, tick.number, old.disorder + (not right), bytes(tick.row_size))


def totalled(row: Total | None, share: Share) -> Total:
    return Total(share.bucket, (row.total if row else 0) + 1)


class KeyedCounts:
    """Sends each count to the output topic and its share to a bucket: the feeds of a row come right after its fold."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.tick = Tick(key="", number=0)

    def fold(self, row: Count | None, tick: Tick) -> Count:
        self.tick = tick
        return counted(row, tick)

    def outputs(self, old: Count | None, new: Count) -> Iterable[Output]:
        value = msgspec.msgpack.encode([new.count, Random(new.count).randbytes(self.tick.output_size)])
        yield Output(self.topic, self.tick.key.encode(), value)

    def shares(self, old: Count | None, new: Count) -> tuple[Share, ...]:
        return (Share(bucket_of(self.tick.key)),)


class Faults:
    """Makes a tick fail as it says, and notes attempts in files that outlive the process.

    Once the file `fixed` is there, no tick fails permanently; once `released` is, none is held. Effects are noted from
    `note_effects` on.
    """

    def __init__(self, directory: Path) -> None:
        self.fixed, self.released = directory / "fixed", directory / "released"
        self._directory, self._effects = directory / "attempts", directory / "effects"
        self._directory.mkdir(parents=True, exist_ok=True)

    def holds(self, tick: Tick) -> bool:
        return tick.held and not self.released.exists()

    def attempt(self, tick: Tick) -> None:
        """Raises while attempts are left that must fail."""
        time.sleep(tick.blocks_s)
        if tick.permanent and not self.fixed.exists():
            raise PermanentError(f"{tick.key} is never taken")
        if tick.fails:
            self.note(tick)
            if len(self.times(tick.key, tick.number)) <= tick.fails:
                raise TransientError(f"{tick.key} fails as told")
        if self._effects.exists():
            with self._effects.open("a") as file:
                file.write(f"{tick.key} {tick.number}\n")

    def note_effects(self) -> None:
        """In every process, from here on."""
        self._effects.touch()

    def effects(self) -> list[tuple[str, int]]:
        """(key, number) of each tick that did not fail, in the order in which that was."""
        lines = [line.split() for line in self._effects.read_text().splitlines()]
        return [(key, int(number)) for key, number in lines]

    def note(self, tick: Tick) -> None:
        with (self._directory / f"{tick.key}-{tick.number}").open("a") as file:
            file.write(f"{time.time()}\n")

    def times(self, key: str, number: int) -> list[float]:
        """When each attempt was made, in seconds since the epoch."""
        path = self._directory / f"{key}-{number}"
        return [float(line) for line in path.read_text().split()] if path.exists() else []


def counting(
    name: str, directory: Path, delays_ms: tuple[int, ...], extra: str = "", parked_most: int = 10_000
) -> Topology:
    """Counts the ticks of each key and of each bucket, with no guard against a repetition, and sends each count on."""
    topology = Topology(name, FailurePolicy(delays_ms, parked_most=parked_most))
    ticks = topology.source(f"{name}-in", TICKS)
    shares = topology.repartition("by-bucket", Share, lambda share: share.bucket)
    counts, faults = KeyedCounts(topology.emits(f"{name}-out")), Faults(directory)

    def fold(row: Count | None, tick: Tick) -> Count:
        faults.attempt(tick)
        return counts.fold(row, tick)

    projections = Projections(topology)
    projections.add(ticks, into=COUNTS, fold=fold, feeds=(RowFeed(shares, counts.shares), counts))
    projections.add(shares, into=TOTALS, fold=totalled)
    if extra:
        topology.table(TableSpec(extra, Total))

    @topology.agent
    async def count(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await projections.process(batch)

    return topology


class Asked(msgspec.Struct, frozen=True):
    tick: Tick


class Done(msgspec.Struct, frozen=True):
    """What a rule answers: see `app.domain.step.Step`."""

    row: Count | None = None
    events: tuple[tuple[str, str], ...] = ()
    timers: tuple[Wake, ...] = ()
    call: Asked | None = None
    revoked: tuple[str, ...] = ()
    failures: tuple[()] = ()


class ActingRules:
    """Each tick calls the outside; a timer says whether another tick of its key came before it."""

    def begin(self, row: Count | None, cause: Tick | Wake, now: int, /) -> Done:
        if isinstance(cause, Wake):
            late = "alone" if row is None or row.count < 2 else "answered"
            return Done(events=((cause.key, f"timer:{late}"),))
        return Done(call=Asked(cause))

    def conclude(self, row: Count | None, cause: Any, call: Asked, answer: object, now: int, /) -> Done:
        tick = call.tick
        timers = (Wake(tick.key, "wake", now + tick.timer_ms * 1000),) if tick.timer_ms else ()
        return Done(counted(row, tick), ((tick.key, f"done:{tick.number}"),), timers)

    def exhausted(self, row: Count | None, cause: Any, call: Asked, now: int, /) -> Done:
        return Done(counted(row, call.tick), ((call.tick.key, f"gave-up:{call.tick.number}"),))

    def abandoned(self, cause: Any, call: Asked, error: str, now: int, /) -> tuple[()]:
        return ()


class FileGateway:
    """Notes every call in one file; fails and waits as the tick says."""

    def __init__(self, directory: Path) -> None:
        self._faults = Faults(directory)
        self._calls = directory / "calls"

    async def perform(self, call: Asked) -> object:
        with self._calls.open("a") as file:
            file.write(f"{call.tick.key} {call.tick.number}\n")
        while self._faults.holds(call.tick):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(LOOK_S)
        await asyncio.sleep(call.tick.takes_s)
        self._faults.attempt(call.tick)
        return "done"


def acting(
    name: str, directory: Path, delays_ms: tuple[int, ...], limit_s: float = 2.0, parked_most: int = 10_000
) -> Topology:
    """Calls a gateway for each tick, and sends on what came of it; it must be told its start."""
    topology = Topology(name, FailurePolicy(delays_ms, parked_most=parked_most), start_required=True)
    out = topology.emits(f"{name}-out")
    reactions = Reactions(
        topology,
        topology.source(f"{name}-in", TICKS),
        rules=ActingRules(),
        rows=COUNTS,
        timer=Wake,
        gateway=FileGateway(directory),
        emit=lambda event: Output(out, event[0].encode(), event[1].encode()),
        limit_s=limit_s,
        brake=BrakePolicy(),
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
