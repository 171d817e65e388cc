"""What happens in a simulation, and when: made from a seed, kept in a file, shown as lines. Pure."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import get_args

import msgspec

from app.domain.events import Fulfilment, Item
from app.serde.topics import ORDERS_EVENTS
from app.simulators.planted import REFUSED_DELIVERY, REFUSED_PAYMENT
from app.streaming.driver import START_US, Death
from tests.topology.scenarios import Add, Cancel, Crash, GoOn, Happening, LateCall, Outage, Place, Repeat, Stop
from tests.topology.system import Fate
from topologies.catalogue import NAMES as TOPOLOGIES

LASTS_MS = 600_000  # orders come in, and troubles begin
FATES: tuple[Fate, ...] = ("unreachable", "lost", "refused")
PARTIES = 4
# of one sku there is not enough, of one there is none at all; an item that is added is of these more often
PLENTY, SCARCE, UNKNOWN = ("apple", "pear", "fig", "date"), "plum", "quince"
PLACED, ADDED = (40, 30, 20, 10, 2, 0.5), (40, 30, 20, 10, 10, 20)
STOPPED_S = (5, 60, 240, 660)


class Happens(msgspec.Struct, frozen=True):
    """`at_ms` counts from the begin."""

    at_ms: int
    what: Happening


class Plan(msgspec.Struct, frozen=True):
    """`seed` decides the order of delivery too; `stock` is what the warehouse has received before, by sku."""

    seed: int
    stock: dict[str, int]
    happens: tuple[Happens, ...]

    @property
    def orders(self) -> int:
        return sum(isinstance(one.what, Place) for one in self.happens)


def plan_of(seed: int, orders: int) -> Plan:
    """The same at every call."""
    chance = Random(seed)
    found = [one for number in range(1, orders + 1) for one in _order(chance, number)]
    found += _troubles(chance, orders)
    stock = {**dict.fromkeys(PLENTY, 100 * orders), SCARCE: 1 + orders // 20}
    return Plan(seed, stock, tuple(sorted(found, key=lambda one: one.at_ms)))


def _order(chance: Random, number: int) -> Iterator[Happens]:
    at_ms = chance.randrange(LASTS_MS)
    customer = chance.choices(["customer", REFUSED_PAYMENT, REFUSED_DELIVERY], [90, 5, 5])[0]
    items = tuple(_item(chance, PLACED) for _ in range(chance.choice((1, 1, 2, 3))))
    kind = chance.choice(get_args(Fulfilment))
    yield Happens(at_ms, Place(number, f"{customer}-{chance.randrange(100)}", items, START_US + at_ms * 1000, kind))
    for _ in range(chance.choices((0, 1, 2), (70, 20, 10))[0]):
        yield Happens(at_ms + _soon_ms(chance), Add(number, _item(chance, ADDED)))
    if chance.random() < 0.15:
        yield Happens(at_ms + _soon_ms(chance), Cancel(number))


def _soon_ms(chance: Random) -> int:
    """While the order is under way, mostly; and at any time of one in trouble."""
    return chance.choice((chance.randrange(500), chance.randrange(5_000), chance.randrange(200_000)))


def _item(chance: Random, weights: Sequence[float]) -> Item:
    sku = chance.choices([*PLENTY, SCARCE, UNKNOWN], weights)[0]
    return Item(sku=sku, quantity=chance.randint(1, 5), unit_price_minor=chance.randrange(100))


def _troubles(chance: Random, orders: int) -> Iterator[Happens]:
    """Few of them among few orders, so that some orders have none."""
    for _ in range(4 + orders // 200):
        yield _at_any_time(chance, _outage(chance, None))
    for _ in range(4 + orders // 50):
        yield _at_any_time(chance, _outage(chance, chance.randint(1, orders)))
    for _ in range(6 + orders // 50):
        topology = chance.choice(("", *TOPOLOGIES))
        crash = Crash(topology, chance.choice(get_args(Death)), wiped=chance.random() < 0.2)
        yield _at_any_time(chance, crash)
    for _ in range(2 + orders // 1000):
        topology, begin = chance.choice(TOPOLOGIES), chance.randrange(LASTS_MS)
        yield Happens(begin, Stop(topology))
        yield Happens(begin + 1000 * chance.choice(STOPPED_S), GoOn(topology))
    for _ in range(4 + orders // 50):
        yield _at_any_time(chance, Repeat(ORDERS_EVENTS, "newest"))
        yield _at_any_time(chance, LateCall(chance.randrange(PARTIES), chance.randrange(1_000_000)))


def _outage(chance: Random, number: int | None) -> Outage:
    return Outage(chance.randrange(PARTIES), chance.choice(FATES), chance.choice((1, 5, 20, 70)), number)


def _at_any_time(chance: Random, what: Happening) -> Happens:
    return Happens(chance.randrange(LASTS_MS), what)


def lines(plan: Plan) -> list[str]:
    """The plan for a reader."""
    return [f"{one.at_ms / 1000:9.3f} s  {_label(one.what)}" for one in plan.happens]


def _label(what: Happening) -> str:
    fields = msgspec.to_builtins(what)
    return " ".join([fields.pop("type"), *(f"{name}={value}" for name, value in fields.items())])


def dump(plan: Plan) -> bytes:
    return msgspec.json.format(msgspec.json.encode(plan)) + b"\n"


def load(data: bytes) -> Plan:
    """A plan from its file; `msgspec.ValidationError` says what is wrong with it."""
    return msgspec.json.decode(data, type=Plan)
