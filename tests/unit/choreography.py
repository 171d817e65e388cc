"""All rules around one order in memory, on fake parties, in a random order of delivery. It may be of either kind."""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from app.domain import fulfilment, inventory, orchestration, orders, payments, requests, shipping
from app.domain.events import (
    INVENTORY,
    PAYMENTS,
    SHIPPING,
    DeliveryCancelled,
    DeliveryScheduled,
    Event,
    Fulfilment,
    Item,
    PaymentCompleted,
    PaymentRefunded,
    StockReleased,
    StockReserved,
)
from app.domain.step import Overdue, Step, Timer
from app.sagas.instance import Failure
from tests.unit.order_events import CUSTOMER_ID, NOW, ORDER_ID, items
from tests.unit.parties import Fate, UnansweredError, World

READS: dict[ModuleType, tuple[str, ...]] = {
    payments: ("orders", "to_payments"),
    inventory: ("payments", "orders", "to_inventory"),
    shipping: ("inventory", "orders", "to_shipping"),
    fulfilment: ("orders", "payments", "inventory", "shipping"),
    orchestration: ("orders", "payments", "inventory", "shipping"),
}
TOPICS: dict[str, tuple[type[Event], ...]] = {
    "payments": PAYMENTS,
    "inventory": INVENTORY,
    "shipping": SHIPPING,
    "to_payments": requests.TO_PAYMENTS,
    "to_inventory": requests.TO_INVENTORY,
    "to_shipping": requests.TO_SHIPPING,
}
WRITTEN_TO = {kind: topic for topic, kinds in TOPICS.items() for kind in kinds}


def react(
    rules: ModuleType, row: Any, cause: Event | Timer, now: int, perform: Callable[[object], object]
) -> Step[Any]:
    """The step that follows from the cause, its call made."""
    step: Step[Any] = rules.begin(row, cause, now)
    if step.call is None:
        return step
    assert step == Step(call=step.call)
    try:
        answer = perform(step.call)
    except UnansweredError:
        return rules.exhausted(row, cause, step.call, now)  # type: ignore[no-any-return]  # rules are modules
    return rules.conclude(row, cause, step.call, answer, now)  # type: ignore[no-any-return]  # rules are modules


def standing(stream: Iterable[Event]) -> set[int]:
    """The order versions that a service's stream tells as done and not as undone; each is told at most once."""
    done, undone = [], []
    for event in stream:
        if isinstance(event, PaymentCompleted | StockReserved | DeliveryScheduled):
            done.append(event.order_version)
        elif isinstance(event, PaymentRefunded | StockReleased | DeliveryCancelled):
            undone.append(event.order_version)
    assert (len(done), len(undone)) == (len(set(done)), len(set(undone)))
    return set(done) - set(undone)


class Choreography:
    """Delivers each topic in order to each service, fires timers, and now and then forgets a step it has made."""

    def __init__(self, random: Random, faults: int) -> None:
        self._random, self._faults = random, faults
        self._hurry = random.choice([0.02, 0.1, 1.0])  # how often a timer fires before what waits was read
        self.now = NOW
        self.world = World(self._fate)
        self.topics: dict[str, list[Event]] = {"orders": self.world.store, **{topic: [] for topic in TOPICS}}
        self.failures: list[Failure | Overdue] = []
        self.rows: dict[ModuleType, Any] = {}
        self.timers: dict[tuple[ModuleType, str], Timer] = {}
        self._positions = {(rules, topic): 0 for rules, topics in READS.items() for topic in topics}

    def run(self, customer: list[Callable[[], None]]) -> None:
        """Until nothing is left to do; the customer's commands come at any moment."""
        while moves := self._moves() + customer[:1]:
            move = self._random.choice(moves)
            if customer and move is customer[0]:
                customer.pop(0)
            move()

    def redeliver(self) -> list[Step[Any]]:
        """The steps that follow when every service reads every event once more."""
        return [
            rules.begin(self.rows.get(rules), event, self.now)
            for rules, topic in self._positions
            for event in self.topics[topic]
        ]

    def _moves(self) -> list[Callable[[], None]]:
        unread = [at for at, position in self._positions.items() if position < len(self.topics[at[1]])]
        deliveries: list[Callable[[], None]] = [partial(self._deliver, *at) for at in unread]
        if deliveries and self._random.random() >= self._hurry:
            return deliveries
        return deliveries + [partial(self._fire, at) for at in self.timers]

    def _deliver(self, rules: ModuleType, topic: str) -> None:
        event = self.topics[topic][self._positions[rules, topic]]
        if self._handle(rules, event):
            self._positions[rules, topic] += 1

    def _fire(self, at: tuple[ModuleType, str]) -> None:
        timer = self.timers[at]
        self.now = max(self.now, timer.due_at)
        set_before = dict(self.timers)
        del self.timers[at]
        if not self._handle(at[0], timer):
            self.timers = set_before

    def _handle(self, rules: ModuleType, cause: Event | Timer) -> bool:
        """Whether the step was kept: a crash after the call forgets it."""
        step = react(rules, self.rows.get(rules), cause, self.now, self.world.perform)
        if self._fails():
            return False
        if step.row is not None:
            self.rows[rules] = step.row
        for event in step.events:
            self.topics[WRITTEN_TO[type(event)]].append(event)
        self.failures += step.failures
        for name in step.revoked:
            self.timers.pop((rules, name), None)
        self.timers.update({(rules, timer.name): timer for timer in step.timers})
        return True

    def _fate(self) -> Fate:
        return self._random.choice(["refused", "lost", "unreachable"]) if self._fails() else "served"

    def _fails(self) -> bool:
        fails = self._faults > 0 and self._random.random() < 0.2
        self._faults -= fails
        return fails


def orchestrate(random: Random, faults: int, lines: list[Item], *, cancel: bool, voids: int) -> Choreography:
    """One order of all lines, then perhaps a cancel; amid that are events that were voided."""
    create = order_of(lines, "orchestration")
    return _run(random, faults, create, [CANCEL] if cancel else [], voids)


CANCEL = orders.CancelOrder(order_id=ORDER_ID, reason="changed my mind")


def order_of(lines: list[Item], kind: Fulfilment) -> orders.CreateOrder:
    return orders.CreateOrder(
        order_id=ORDER_ID, customer_id=CUSTOMER_ID, currency="GBP", items=tuple(lines), fulfilment=kind
    )


def _run(
    random: Random, faults: int, create: orders.CreateOrder, commands: list[orders.Command], voids: int
) -> Choreography:
    system = Choreography(random, faults)
    system.world.command(create, ORDER_ID)
    moves: list[Callable[[], None]] = [partial(system.world.try_command, command) for command in commands]
    for _ in range(voids):
        moves.insert(random.randint(0, len(moves)), system.world.void)
    system.run(moves)
    return system


def choreograph(random: Random, faults: int, lines: list[Item], *, cancel: bool, voids: int) -> Choreography:
    """One order of the first line; the others are added while the services are at work, then perhaps a cancel. Amid
    that are events that were voided."""
    commands: list[orders.Command] = [orders.AddItem(order_id=ORDER_ID, item=line) for line in lines[1:]]
    if cancel:
        commands.append(CANCEL)
    return _run(random, faults, order_of(lines[:1], "choreography"), commands, voids)


choreographies = st.builds(
    choreograph,
    st.randoms(use_true_random=False),
    st.integers(0, 8),
    st.lists(items, min_size=1, max_size=4),
    cancel=st.booleans(),
    voids=st.integers(0, 2),
)

orchestrations = st.builds(
    orchestrate,
    st.randoms(use_true_random=False),
    st.integers(0, 12),
    st.lists(items, min_size=1, max_size=4),
    cancel=st.booleans(),
    voids=st.integers(0, 2),
)
