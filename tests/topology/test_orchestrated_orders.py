"""Orchestrated orders on the engine: each goes through its saga, and the choreography leaves it alone."""

from collections.abc import Iterator
from random import Random

import pytest

from app.domain.calls import VoidCharges
from app.domain.events import Item
from app.domain.requests import RetryStep
from app.serde.topics import PAYMENTS_EVENTS
from tests.topology.orchestrated import ANSWERS, COMMANDS, Orchestrated
from tests.topology.system import SCARCE, emitted
from tests.unit.order_events import event

ALL = ["ReservePayment", "CapturePayment", "ReserveStock", "ScheduleDelivery"]
MINUTES = 60.0


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


def orchestrated(system: Orchestrated, *items: Item, number: int = 1, customer_id: str = "customer-1") -> str:
    return system.place(*items, number=number, customer_id=customer_id, fulfilment="orchestration")


def standing(system: Orchestrated) -> set[tuple[str, int]]:
    """What the parties hold of any order."""
    holds, stock = system.charge_book.holds.standing, system.stock_book.reservations.standing
    return {*holds, *stock, *system.delivery_book.deliveries.standing}


def status(system: Orchestrated, order_id: str) -> tuple[str, str]:
    return system.order(order_id).status, system.sagas()[order_id].saga.status


def test_an_order_is_held_reserved_scheduled_confirmed_and_captured(system: Orchestrated) -> None:
    order_id = orchestrated(system)
    system.settle()
    assert status(system, order_id) == ("confirmed", "COMPLETED")
    assert system.told(*COMMANDS) == ALL
    assert {key: hold.amount_minor for key, hold in system.charge_book.captured.items()} == {(order_id, 1): 300}
    assert system.timers() == {}


def test_orders_of_both_kinds_go_side_by_side(system: Orchestrated) -> None:
    chosen, usual = orchestrated(system), system.place(number=2)
    system.settle()
    assert {system.order(order_id).status for order_id in (chosen, usual)} == {"confirmed"}
    assert list(system.sagas()) == [chosen]
    assert [order_id for order_id, _ in system.charge_book.charges.standing] == [usual]
    assert [order_id for order_id, _ in system.charge_book.holds.standing] == [chosen]


@pytest.mark.parametrize(
    ("customer_id", "scarce", "undone"),
    [
        ("refuse-payment-1", False, []),
        ("customer-1", True, ["PaymentReleased"]),
        ("refuse-delivery-1", False, ["PaymentReleased", "StockReleased"]),
    ],
)
def test_a_refused_order_is_undone_in_reverse_and_cancelled(
    system: Orchestrated, customer_id: str, scarce: bool, undone: list[str]
) -> None:
    order_id = orchestrated(system, *([SCARCE] if scarce else []), customer_id=customer_id)
    system.settle()
    assert status(system, order_id) == ("cancelled", "COMPENSATED")
    assert [name for name in system.told(*ANSWERS) if name.endswith("Released")] == undone
    assert standing(system) == set()
    assert system.timers() == {}


def test_a_cancel_while_the_saga_is_at_work_leaves_nothing_standing(system: Orchestrated) -> None:
    system.carrier.fails("unreachable", until_us=system.in_s(30))
    order_id = orchestrated(system)
    system.settle(5)
    system.cancel(order_id)
    system.settle(10 * MINUTES)
    assert status(system, order_id) == ("cancelled", "COMPENSATED")
    assert standing(system) == set()


def test_a_provider_that_answers_late_is_waited_for(system: Orchestrated) -> None:
    system.provider.fails("lost", until_us=system.in_s(20))
    order_id = orchestrated(system)
    system.settle(2 * MINUTES)
    assert status(system, order_id) == ("confirmed", "COMPLETED")
    assert len(system.charge_book.captured) == 1


def test_a_store_that_loses_its_answers_confirms_the_order_once(system: Orchestrated) -> None:
    system.decisions.fails("lost", until_us=system.in_s(3 * MINUTES))
    order_id = orchestrated(system)
    system.settle(20 * MINUTES)
    assert status(system, order_id) == ("confirmed", "COMPLETED")


def test_a_release_that_never_succeeds_is_one_alert_and_the_order_is_cancelled_all_the_same(
    system: Orchestrated,
) -> None:
    order_id = orchestrated(system, SCARCE)
    system.provider.fates.append(lambda call: "unreachable" if isinstance(call, VoidCharges) else "answered")
    system.settle(60 * MINUTES)
    assert status(system, order_id) == ("cancelled", "COMPENSATION_FAILED")
    [alert] = [alert for alert in system.alerts() if alert["name"] == "saga.step_failed"]
    assert (alert["severity"], alert["cause"]["saga_id"], alert["cause"]["step"]) == ("critical", order_id, "payment")


@pytest.mark.parametrize("seed", range(12))
def test_both_kinds_end_whatever_the_order_of_delivery_with_crashes_and_repetitions(seed: int) -> None:
    random = Random(seed)
    with Orchestrated(random=random, partitions=2) as system:
        placed = [
            system.place(
                number=number,
                customer_id=random.choice(["customer-1", "refuse-payment-1", "refuse-delivery-1"]),
                fulfilment=random.choice(["choreography", "orchestration"]),
            )
            for number in range(6)
        ]
        for _ in range(random.randint(0, 40)):
            system.driver.step()
        system.driver.crash()
        if system.order(placed[0]).status == "pending":
            system.cancel(placed[0])
        system.settle(20 * MINUTES)
        for record in list(system.published(PAYMENTS_EVENTS, *COMMANDS)):
            system.repeat(record)
        system.settle(20 * MINUTES)
        ended = {order_id: system.order(order_id).status for order_id in placed}
        assert set(ended.values()) <= {"confirmed", "cancelled"}
        assert {row.saga.status for row in system.sagas().values()} <= {"COMPLETED", "COMPENSATED"}
        confirmed = {order_id for order_id in placed if ended[order_id] == "confirmed"}
        money = {order_id for order_id, _ in (*system.charge_book.charges.standing, *system.charge_book.captured)}
        assert money == confirmed
        assert {order_id for order_id, _ in system.stock_book.reservations.standing} == confirmed
        assert {order_id for order_id, _ in system.delivery_book.deliveries.standing} == confirmed
        assert system.alerts() == []


@pytest.mark.parametrize("party", ["provider", "warehouse", "carrier"])
def test_a_step_without_an_answer_is_undone_by_its_saga_or_stands_in_the_inbox_until_it_is(
    system: Orchestrated, party: str
) -> None:
    """It was done, its answer was lost, and then the party is away for an hour."""
    getattr(system, party).fails("lost", until_us=system.in_s(61))
    order_id = orchestrated(system)
    system.settle(61)
    getattr(system, party).fails("unreachable", until_us=system.in_s(60 * MINUTES))
    system.settle(61 * MINUTES)
    assert status(system, order_id) == ("cancelled", "COMPENSATION_FAILED")
    [alert] = system.alerts()
    assert alert["cause"].items() >= {"saga": "fulfilment", "saga_id": order_id}.items()
    assert standing(system) == {(order_id, 1)}
    retry = event(RetryStep, 1, order_id=order_id, step=alert["cause"]["step"], operator="ada", reason="it is back")
    system.driver.pipe(emitted(retry))
    system.settle(10 * MINUTES)
    assert status(system, order_id) == ("cancelled", "COMPENSATED")
    assert standing(system) == set()
