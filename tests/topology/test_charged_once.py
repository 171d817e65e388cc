"""One charge for one order version, however often it is asked for, and none that outlives a cancel."""

from collections.abc import Iterator
from random import Random

import pytest

from app.domain.calls import Charge
from app.serde.topics import ORDERS_EVENTS, PAYMENTS_COMMANDS, PAYMENTS_EVENTS
from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated

TIMES = 100


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


@pytest.mark.parametrize("seed", [None, *range(5)])
def test_a_hundred_redeliveries_of_an_order_are_one_charge_and_one_payment(seed: int | None) -> None:
    """Before it is handled, while it is, and after; with the worker dying in between."""
    with Orchestrated(random=None if seed is None else Random(seed)) as system:
        system.place()
        system.driver.do(system.relay())
        [created] = system.published(ORDERS_EVENTS)
        for time in range(TIMES):
            system.repeat(created)
            if seed is not None and time % 10 == 0:
                system.driver.step()
                system.driver.crash(topology="payments", at="handled" if time % 20 else "committed")
        system.settle()
        assert len(system.charge_book.charges.standing) == 1
        assert system.told(PAYMENTS_EVENTS) == ["PaymentCompleted"]
        if seed is None:
            assert len(system.provider.of(Charge)) == 1
        assert differences(system) == []


def test_a_hundred_redeliveries_of_a_command_are_one_hold_and_one_answer(system: Orchestrated) -> None:
    system.driver.stop("inventory")
    system.place(fulfilment="orchestration")
    system.settle()
    [asked] = system.published(PAYMENTS_COMMANDS)
    for _ in range(TIMES):
        system.repeat(asked)
    system.settle()
    assert len(system.charge_book.holds.standing) == 1
    assert system.told(PAYMENTS_EVENTS) == ["PaymentReserved"]


def test_an_order_cancelled_before_its_charge_keeps_no_charge(system: Orchestrated) -> None:
    system.driver.stop("payments")
    order_id = system.place()
    system.settle()
    system.cancel(order_id)
    system.settle()
    assert system.provider.calls == []
    system.driver.go_on("payments")
    system.settle()
    assert system.charge_book.charges.standing == {}
    assert system.told(PAYMENTS_EVENTS) in ([], ["PaymentCompleted", "PaymentRefunded"])
    assert differences(system) == []


def test_a_payment_after_the_cancel_is_refunded(system: Orchestrated) -> None:
    """The provider is away when the customer cancels, and charges at a later attempt."""
    system.provider.fails("unreachable", until_us=system.in_s(10))
    order_id = system.place()
    system.settle(1)
    system.cancel(order_id)
    system.settle(1)
    assert system.order(order_id).status == "cancelled"
    assert system.told(PAYMENTS_EVENTS) == []
    system.settle(60)
    assert system.told(PAYMENTS_EVENTS) == ["PaymentCompleted", "PaymentRefunded"]
    assert system.charge_book.charges.standing == {}
    assert differences(system) == []
