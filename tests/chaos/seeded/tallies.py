"""A topology in which every repetition and every loss shows: it counts events and its own timers, with no guard."""

from collections.abc import AsyncIterator

import msgspec

from app.config import Settings
from app.domain.events import Event
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.brake import BrakePolicy
from app.streaming.reactions import Reactions
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import event_sources, policy

NAME = "tallies"
OUT = "tallies.counted"
TIMER_US = 400_000


class Tally(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of one order: events and timers counted, the last version seen, how often it was not the next."""

    order_id: str
    events: int = 0
    timers: int = 0
    version: int = 0
    disorder: int = 0


class Wake(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key: str
    name: str
    due_at: int


class Counted(msgspec.Struct, frozen=True):
    row: Tally
    events: tuple[tuple[str, int], ...] = ()
    timers: tuple[Wake, ...] = ()
    call: None = None
    revoked: tuple[str, ...] = ()
    failures: tuple[()] = ()


TALLIES = TableSpec("tallies", Tally)


class Rules:
    """Each event is counted, sends its count on, and sets a timer; each timer is counted."""

    def __init__(self, *, doubles_first: bool = False) -> None:
        self._doubles = doubles_first

    def begin(self, row: Tally | None, cause: Event | Wake, now: int, /) -> Counted:
        old = row or Tally(cause.key if isinstance(cause, Wake) else cause.order_id)
        if isinstance(cause, Wake):
            return Counted(msgspec.structs.replace(old, timers=old.timers + 1))
        added, self._doubles = 1 + self._doubles, False
        disorder = old.disorder + (cause.version != old.version + 1)
        new = Tally(old.order_id, old.events + added, old.timers, cause.version, disorder)
        wake = Wake(old.order_id, str(cause.version), now + TIMER_US)
        return Counted(new, ((old.order_id, new.events),), (wake,))

    def conclude(self, row: object, cause: object, call: object, answer: object, now: int, /) -> Counted:
        raise TypeError("no call is made")

    def exhausted(self, row: object, cause: object, call: object, now: int, /) -> Counted:
        raise TypeError("no call is made")

    def abandoned(self, cause: object, call: object, error: str, now: int, /) -> tuple[()]:
        raise TypeError("no call is made")


class _NoGateway:
    async def perform(self, call: object) -> object:
        raise TypeError("no call is made")


def build(settings: Settings, rules: Rules | None = None) -> Topology:
    topology = Topology(NAME, policy(NAME, settings))
    out = topology.emits(OUT)
    reactions = Reactions(
        topology,
        *event_sources(topology, committed_registry(), ORDERS_EVENTS),
        rules=rules or Rules(),
        rows=TALLIES,
        timer=Wake,
        gateway=_NoGateway(),
        emit=lambda counted: Output(out, counted[0].encode(), str(counted[1]).encode()),
        limit_s=2.0,
        brake=BrakePolicy(),
    )

    @topology.agent
    async def tally(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
