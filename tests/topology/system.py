"""The whole system on the driver: all topologies, the store, the relay and the parties, on one virtual clock."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from random import Random
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from uuid import UUID, uuid5

from app.alerts.port import Alert
from app.commands.decisions import Decisions
from app.commands.service import Commands, Request
from app.config import Settings
from app.domain.calls import Charge, Hold, Refused, Reserve, Schedule
from app.domain.events import Fulfilment, Item
from app.domain.orders import AddItem, CancelOrder, Command, CreateOrder, Order
from app.eventstore.memory import MemoryEventStore
from app.gateways.memory import InMemoryCarrier, InMemoryProvider, InMemoryWarehouse
from app.gateways.ports import PartyUnavailableError
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.driver import Driver
from app.streaming.reactions import Gateway
from app.streaming.record import Output, Record
from app.streaming.topology import Topology
from topologies import alerts, fulfilment, inventory, orchestration, order_views, payments, reconciliation, shipping
from topologies.wiring import EventOutput

NAMESPACE = UUID("5d7b7a43-4a2c-4e02-9a53-0f7c5a9f3a01")
STOCK = {"apple": 1_000, "pear": 1_000, "plum": 12}
APPLE, PEAR = Item(sku="apple", quantity=2, unit_price_minor=150), Item(sku="pear", quantity=1, unit_price_minor=80)
SCARCE = Item(sku="plum", quantity=13, unit_price_minor=5)

# What becomes of a call: "lost" is done, yet not answered; "refused" is for good, unless it was done before.
Fate: TypeAlias = Literal["answered", "unreachable", "lost", "refused"]
Fates: TypeAlias = Callable[[Any], Fate]

REFUSABLE = (Charge, Hold, Reserve, Schedule)

REGISTRY = committed_registry()
emitted = EventOutput(REGISTRY)


def order_id_of(number: int) -> str:
    return str(uuid5(NAMESPACE, f"order {number}"))


class Party:
    """A gateway whose calls have the fate that they are told; it notes them with their times."""

    def __init__(self, name: str, gateway: Gateway, now_us: Callable[[], int]) -> None:
        self.name, self.gateway, self._now_us = name, gateway, now_us
        self.fates: list[Fates] = []
        self.calls: list[tuple[int, Any]] = []
        self._done: set[Any] = set()
        self._refused: set[Any] = set()

    async def perform(self, call: Any) -> object:
        self.calls.append((self._now_us(), call))
        fates = {fate(call) for fate in self.fates}
        await asyncio.sleep(0)  # other keys, and a checkpoint, come in between
        if "unreachable" in fates:
            raise PartyUnavailableError(self.name, "planted")
        answer = await self.reach(call, refused="refused" in fates)
        if "lost" in fates:
            raise TimeoutError
        return answer

    async def reach(self, call: Any, *, refused: bool = False) -> object:
        """The party takes the call, and answers; what it once refused it refuses for ever."""
        if isinstance(call, REFUSABLE):
            if refused and call not in self._done:
                self._refused.add(call)
            if call in self._refused:
                return Refused("planted")
            self._done.add(call)
        return await self.gateway.perform(call)

    def fails(self, fate: Fate, *, until_us: int, order_id: str | None = None) -> None:
        """Every call (about that order) has this fate until then."""

        def decide(call: Any) -> Fate:
            return fate if self._now_us() < until_us and order_id in (None, call.order_id) else "answered"

        self.fates.append(decide)

    def of(self, kind: type) -> list[Any]:
        """The calls of one kind, in order."""
        return [call for _, call in self.calls if isinstance(call, kind)]


class Receivers:
    """Takes alerts, unless `failure` is what it raises."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.taken: list[Alert] = []

    async def perform(self, call: Alert) -> None:
        if self.failure is not None:
            raise self.failure
        self.taken.append(call)


class System:
    """Customers' commands go in; `driver` runs the rest. With `random`, the order of delivery is a seeded one."""

    def __init__(self, *, random: Random | None = None, partitions: int = 1, stock: Mapping[str, int] = STOCK) -> None:
        self.random, self.stock = random, stock
        self.store = MemoryEventStore()
        self.commands = Commands(self.store, self.now_us)
        self.charge_book, self.delivery_book, self.stock_book = (
            InMemoryProvider(),
            InMemoryCarrier(),
            InMemoryWarehouse(),
        )
        self.provider = Party("provider", self.charge_book, self.now_us)
        self.carrier = Party("carrier", self.delivery_book, self.now_us)
        self.warehouse = Party("warehouse", self.stock_book, self.now_us)
        self.decisions = Party("store", Decisions(self.commands), self.now_us)
        self.receivers = Receivers()
        self.topologies = self.wired(Settings())
        self.driver = Driver(self.topologies, partitions=partitions, random=random)
        self.driver.also(self.relay)
        self.driver.do(self.stock_book.receive("first", list(stock.items())))
        self.copies: set[tuple[str, int, int]] = set()
        self._published = 0
        self._commands = 0

    def wired(self, settings: Settings) -> list[Topology]:
        """All topologies, with the parties as their gateways."""
        return [
            order_views.build(settings, REGISTRY),
            payments.build(settings, REGISTRY, self.provider),
            inventory.build(settings, REGISTRY, self.warehouse),
            shipping.build(settings, REGISTRY, self.carrier),
            fulfilment.build(settings, REGISTRY, self.decisions),
            orchestration.build(settings, REGISTRY, self.decisions),
            reconciliation.build(settings, REGISTRY),
            alerts.build(settings, REGISTRY, self.receivers),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.driver.close()

    @property
    def parties(self) -> tuple[Party, ...]:
        return self.provider, self.warehouse, self.carrier, self.decisions

    def now_us(self) -> int:
        return self.driver.now_us

    def in_s(self, seconds: float) -> int:
        """The moment that many seconds from now."""
        return self.now_us() + int(seconds * 1_000_000)

    async def relay(self) -> bool:
        """Publishes what the store has appended, in the order of the appends."""
        waiting = len(self.store.outbox) - self._published
        for _ in range(waiting if self.random is None or not waiting else self.random.randint(1, waiting)):
            self.driver.pipe(emitted(self.store.outbox[self._published]))
            self._published += 1
        return waiting > 0

    def place(
        self,
        *items: Item,
        number: int = 1,
        customer_id: str = "customer-1",
        placed_at: int | None = None,
        fulfilment: Fulfilment = "choreography",
    ) -> str:
        """A new order; its id follows from the number."""
        order_id = order_id_of(number)
        self._handle(
            CreateOrder(
                order_id=order_id,
                customer_id=customer_id,
                currency="GBP",
                items=items or (APPLE,),
                reference=f"R-{number}",
                placed_at=placed_at,
                fulfilment=fulfilment,
            )
        )
        return order_id

    def add(self, order_id: str, item: Item = PEAR) -> None:
        self._handle(AddItem(order_id=order_id, item=item))

    def cancel(self, order_id: str) -> None:
        self._handle(CancelOrder(order_id=order_id, reason="changed my mind"))

    def order(self, order_id: str) -> Order:
        return self.driver.do(self.commands.order(order_id))

    def settle(self, seconds: float = 0) -> None:
        self.driver.advance(timedelta(seconds=seconds))

    def repeat(self, record: Record) -> None:
        """A producer that repeats itself: the same message once more, at the end of its topic."""
        again = Output(record.topic, record.key, record.value, record.headers, record.partition)
        copy = self.driver.pipe(again)
        self.copies.add((copy.topic, copy.partition, copy.offset))

    def published(self, *topics: str) -> Iterator[Record]:
        """The records of these topics but for the repeated ones."""
        for topic in topics or (ORDERS_EVENTS,):
            for record in self.driver.records(topic):
                if (record.topic, record.partition, record.offset) not in self.copies:
                    yield record

    def _handle(self, command: Command) -> None:
        self._commands += 1
        command_id = uuid5(NAMESPACE, f"command {self._commands}")
        self.driver.do(
            self.commands.handle(Request(command=command, command_id=command_id, causation_id=str(command_id)))
        )
