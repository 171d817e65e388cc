"""What can happen to the system in any mix: orders, items, cancels, outages, crashes, repeated records."""

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Literal, TypeAlias, get_args

import msgspec
from hypothesis import strategies as st

from app.domain.events import Fulfilment, Item
from app.domain.limits import OrderRefusedError
from app.serde.topics import EVENT_TYPES
from app.streaming.driver import START_US, Death
from tests.topology.system import Fate, System, order_id_of
from topologies.catalogue import NAMES as TOPOLOGIES

DAY_US = 86_400_000_000
# longer than an outage, a saga's deadline and all that is done again and again because of them
REST_S = 3_600


class Place(msgspec.Struct, frozen=True, tag=True):
    number: int
    customer_id: str
    items: tuple[Item, ...]
    placed_at: int
    fulfilment: Fulfilment = "choreography"

    def happen(self, system: System) -> None:
        system.place(
            *self.items,
            number=self.number,
            customer_id=self.customer_id,
            placed_at=self.placed_at,
            fulfilment=self.fulfilment,
        )


class Add(msgspec.Struct, frozen=True, tag=True):
    number: int
    item: Item

    def happen(self, system: System) -> None:
        system.add(order_id_of(self.number), self.item)


class Cancel(msgspec.Struct, frozen=True, tag=True):
    number: int

    def happen(self, system: System) -> None:
        system.cancel(order_id_of(self.number))


class Outage(msgspec.Struct, frozen=True, tag=True):
    """A party has trouble for a while, with one order or with all."""

    party: int
    fate: Fate
    seconds: int
    number: int | None

    def happen(self, system: System) -> None:
        order_id = None if self.number is None else order_id_of(self.number)
        system.parties[self.party].fails(self.fate, until_us=system.in_s(self.seconds), order_id=order_id)


class Crash(msgspec.Struct, frozen=True, tag=True):
    """The tasks of a topology, or of all, die and begin again; `wiped` ones without their disk."""

    topology: str = ""
    at: Death = "handled"
    wiped: bool = False

    def happen(self, system: System) -> None:
        system.driver.crash(topology=self.topology, at=self.at, wiped=self.wiped)


class Stop(msgspec.Struct, frozen=True, tag=True):
    """No worker of the topology runs from now on."""

    topology: str

    def happen(self, system: System) -> None:
        system.driver.stop(self.topology)


class GoOn(msgspec.Struct, frozen=True, tag=True):
    """Workers of the topology run again."""

    topology: str

    def happen(self, system: System) -> None:
        system.driver.go_on(self.topology)


class LateCall(msgspec.Struct, frozen=True, tag=True):
    """A worker that was stopped in mid-call wakes up and makes the call; nobody listens to the answer."""

    party: int
    nth: int

    def happen(self, system: System) -> None:
        party = system.parties[self.party]
        if party.calls:
            _, call = party.calls[self.nth % len(party.calls)]
            system.driver.do(party.reach(call))


class Repeat(msgspec.Struct, frozen=True, tag=True):
    """Records of a topic come once more, all of them or the newest."""

    topic: str
    which: Literal["all", "newest"]

    def happen(self, system: System) -> None:
        records = list(system.published(self.topic))
        for record in records if self.which == "all" else records[-1:]:
            system.repeat(record)


class Work(msgspec.Struct, frozen=True, tag=True):
    """Some steps of the driver."""

    steps: int

    def happen(self, system: System) -> None:
        for _ in range(self.steps):
            system.driver.step()


class Wait(msgspec.Struct, frozen=True, tag=True):
    seconds: int

    def happen(self, system: System) -> None:
        system.settle(self.seconds)


Happening: TypeAlias = Place | Add | Cancel | Outage | Crash | Stop | GoOn | LateCall | Repeat | Work | Wait


class Scenario(msgspec.Struct, frozen=True):
    """`seed` decides the order of delivery."""

    seed: int
    partitions: int
    happenings: Sequence[Happening]

    def play(self) -> System:
        """The system when all of it has happened, all run again and nothing is left to do; close it."""
        system = System(random=Random(self.seed), partitions=self.partitions)
        for happening in self.happenings:
            with suppress(OrderRefusedError):
                happening.happen(system)
        come_to_rest(system)
        return system


def come_to_rest(system: System) -> None:
    """All run again, and do what is left to do."""
    for topology in TOPOLOGIES:
        system.driver.go_on(topology)
    system.settle(REST_S)


_numbers = st.sampled_from([1, 1, 2, 3])
_items = st.builds(
    Item,
    sku=st.sampled_from(["apple", "pear", "plum", "quince"]),
    quantity=st.integers(1, 5),
    unit_price_minor=st.integers(0, 99),
)
_customers = st.sampled_from(["customer-1", "customer-1", "customer-2", "refuse-payment-1", "refuse-delivery-1"])
_placed = st.builds(
    Place,
    _numbers,
    _customers,
    st.lists(_items, min_size=1, max_size=3).map(tuple),
    st.sampled_from([START_US, START_US - 1, START_US + DAY_US]),
    st.sampled_from(get_args(Fulfilment)),
)
_topologies = st.sampled_from(TOPOLOGIES)
_happenings: list[st.SearchStrategy[Happening]] = [
    _placed,
    st.builds(Add, _numbers, _items),
    st.builds(Add, _numbers, _items),
    st.builds(Cancel, _numbers),
    st.builds(
        Outage,
        st.integers(0, 3),
        st.sampled_from(["unreachable", "lost", "refused"]),
        st.sampled_from([1, 5, 40, 200]),
        st.none() | _numbers,
    ),
    st.builds(Crash, _topologies, st.sampled_from(get_args(Death)), st.booleans()),
    st.builds(Stop, _topologies),
    st.builds(GoOn, _topologies),
    st.builds(LateCall, st.integers(0, 3), st.integers(0, 99)),
    st.builds(Repeat, st.sampled_from(sorted(EVENT_TYPES)), st.sampled_from(["all", "newest"])),
    st.builds(Work, st.integers(1, 12)),
    st.builds(Work, st.integers(1, 12)),
    st.builds(Wait, st.sampled_from([1, 3, 10, 70])),
]
_rest = st.lists(st.one_of(_happenings), min_size=4, max_size=20)
scenarios = st.builds(
    Scenario,
    st.integers(0, 2**32),
    st.sampled_from([1, 2]),
    st.builds(lambda first, rest: [first, *rest], _placed, _rest),
)
