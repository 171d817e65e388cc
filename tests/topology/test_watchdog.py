"""A choreographed order without an outcome is flagged once at its deadline, with the event that it waits for."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

import msgspec
import pytest

from app.config import Settings
from app.domain.calls import Decided
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS
from app.streaming.driver import Driver
from app.streaming.names import dlq_topic
from app.streaming.record import Output
from app.streaming.topology import Topology
from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated
from tests.topology.system import APPLE, PEAR, REGISTRY
from topologies import fulfilment

DEADLINE_S = 40


class Watched(Orchestrated):
    """Orders have less time than the retries of a call take."""

    deadline_s = DEADLINE_S

    def wired(self, settings: Settings) -> list[Topology]:
        return super().wired(msgspec.structs.replace(settings, order_deadline=float(self.deadline_s)))

    def overdue(self) -> list[tuple[str, str]]:
        """Order and awaited event of every alert."""
        alerts = [alert for alert in self.alerts() if alert["name"] == "order.overdue"]
        return [(alert["cause"]["saga_id"], alert["details"]["waits_for"]) for alert in alerts]


@pytest.fixture
def system() -> Iterator[Watched]:
    with Watched() as system:
        yield system


@pytest.mark.parametrize(
    ("party", "awaited"),
    [
        ("provider", "PaymentCompleted"),
        ("warehouse", "StockReserved"),
        ("carrier", "DeliveryScheduled"),
    ],
)
def test_an_order_without_an_outcome_is_flagged_once_at_its_deadline(system: Watched, party: str, awaited: str) -> None:
    getattr(system, party).fails("unreachable", until_us=system.in_s(600))
    order_id = system.place()
    system.settle(DEADLINE_S - 1)
    assert system.overdue() == []
    system.settle(1)
    assert system.overdue() == [(order_id, awaited)]
    system.settle(900)
    assert system.overdue() == [(order_id, awaited)]
    assert differences(system) == []


def test_a_flagged_order_stands_in_the_inbox_until_it_ends(system: Watched) -> None:
    def late() -> list[str]:
        rows = system.driver.rows("fulfilment", "fulfilments")
        return [key.decode() for key, row in rows.items() if row.overdue]

    system.provider.fails("unreachable", until_us=system.in_s(50))
    order_id = system.place()
    system.settle(DEADLINE_S - 1)
    assert late() == []
    system.settle(1)
    assert late() == [order_id]
    system.settle(900)
    assert late() == []


class Later(Watched):
    """A decision has been given up by then, and is asked for by a timer."""

    deadline_s = 70


def test_an_order_whose_decision_the_store_does_not_take_waits_for_its_confirmation() -> None:
    with Later() as system:
        system.decisions.fails("unreachable", until_us=system.in_s(600))
        order_id = system.place()
        system.settle(Later.deadline_s)
        assert system.overdue() == [(order_id, "OrderConfirmed")]


def test_an_order_that_ends_in_time_is_not_flagged_and_leaves_no_timer(system: Watched) -> None:
    system.place(number=1)
    system.cancel(system.place(number=2))
    system.place(number=3, customer_id="refuse-payment-1")
    system.place(number=4, fulfilment="orchestration")
    system.settle(5)
    assert system.driver.rows("fulfilment", "timers") == {}
    system.settle(900)
    assert system.overdue() == []


def test_an_item_that_is_never_paid_is_what_the_order_waits_for(system: Watched) -> None:
    system.carrier.fails("unreachable", until_us=system.in_s(50))
    order_id = system.place(APPLE)
    system.settle(1)
    system.provider.fails("unreachable", until_us=system.in_s(50))
    system.add(order_id, PEAR)
    system.settle(DEADLINE_S)
    assert system.overdue() == [(order_id, "PaymentCompleted")]


@pytest.mark.parametrize("seed", range(6))
def test_one_alert_comes_of_it_wherever_the_workers_die(seed: int) -> None:
    with Watched(random=Random(seed)) as system:
        system.provider.fails("unreachable", until_us=system.in_s(600))
        system.place()
        for _ in range(2 * DEADLINE_S):
            system.settle(1)
            system.driver.crash()
        system.settle(60)
        assert len(system.overdue()) == 1


def test_an_order_whose_records_wait_behind_a_dead_one_is_flagged_all_the_same(system: Watched) -> None:
    system.provider.fails("unreachable", until_us=system.in_s(600))
    order_id = system.place()
    system.settle(1)
    system.driver.pipe(Output(PAYMENTS_EVENTS, order_id.encode(), b"no event", []))
    system.settle(DEADLINE_S)
    assert len(system.driver.records(dlq_topic("orderflow-fulfilment"))) == 1
    assert system.overdue() == [(order_id, "PaymentCompleted")]


class Deciding:
    """A store that takes every decision, and tells nobody."""

    async def perform(self, call: object) -> Decided:
        return Decided(2)


@pytest.fixture
def alone() -> Iterator[Driver]:
    """The topology that decides, without the others: it reads what a test gives it."""
    settings = msgspec.structs.replace(Settings(), order_deadline=float(DEADLINE_S))
    with Driver([fulfilment.build(settings, REGISTRY, Deciding())]) as driver:
        yield driver


@pytest.mark.parametrize("seed", range(6))
def test_after_ten_minutes_of_a_stopped_worker_the_replies_that_wait_are_read_first(seed: int) -> None:
    with Watched(random=Random(seed), partitions=2) as system:
        system.driver.stop("payments")
        orders = [system.place(number=number) for number in range(1, 9)]
        system.settle(1)
        assert len(system.driver.rows("fulfilment", "timers")) == len(orders)
        system.driver.stop("fulfilment")
        system.driver.go_on("payments")
        system.settle(600)
        system.driver.go_on("fulfilment")
        system.settle()
        assert {system.order(order_id).status for order_id in orders} == {"confirmed"}
        assert system.overdue() == []


def test_an_outcome_that_is_decided_and_never_told_is_flagged_a_deadline_later(system: Watched, alone: Driver) -> None:
    """Its event is in the store, and the relay is away."""
    system.place()
    system.settle(5)
    created = next(system.published(ORDERS_EVENTS))
    for record in (created, *system.published(PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS)):
        alone.pipe(Output(record.topic, record.key, record.value, record.headers))
    alone.advance(timedelta(seconds=DEADLINE_S))
    assert alone.records("alerts") == []
    alone.advance(timedelta(seconds=DEADLINE_S))
    [alert] = alone.records("alerts")
    assert b"OrderConfirmed" in (alert.value or b"")
