"""A task of the driver that dies at any step of its checkpoint goes on as one on Kafka does."""

from collections.abc import Iterator
from typing import get_args

import pytest

from app.serde.topics import ORDERS_EVENTS, PAYMENTS_EVENTS
from app.streaming.driver import Death
from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


@pytest.mark.parametrize(
    ("at", "charged", "told"),
    [("calling", 0, []), ("handled", 1, []), ("committed", 1, ["PaymentCompleted"])],
)
@pytest.mark.parametrize("wiped", [False, True])
def test_what_is_left_of_a_task_is_what_its_transactions_committed(
    system: Orchestrated, at: Death, charged: int, told: list[str], wiped: bool
) -> None:
    system.place()
    system.driver.do(system.relay())
    system.driver.crash(topology="payments", at=at, wiped=wiped)
    assert len(system.charge_book.charges.standing) == charged
    assert system.told(PAYMENTS_EVENTS) == told
    assert len(system.driver.rows("payments", "payments")) == len(told)
    system.settle()
    assert system.told(PAYMENTS_EVENTS) == ["PaymentCompleted"]
    assert differences(system) == []


@pytest.mark.parametrize("at", get_args(Death))
def test_a_wiped_disk_is_restored_with_all_that_was_committed(system: Orchestrated, at: Death) -> None:
    for number in range(1, 6):
        system.place(number=number)
    system.settle()
    before = system.driver.rows("order-views", "order_summaries")
    system.driver.crash(at=at, wiped=True)
    assert system.driver.rows("order-views", "order_summaries") == before
    system.settle()
    assert differences(system) == []


def test_a_stopped_topology_reads_nothing_and_holds_up_nobody(system: Orchestrated) -> None:
    system.driver.stop("inventory")
    order_id = system.place()
    system.settle(600)
    assert system.told(ORDERS_EVENTS, PAYMENTS_EVENTS) == ["OrderCreated", "PaymentCompleted"]
    assert system.driver.rows("inventory", "reservations") == {}
    system.driver.go_on("inventory")
    system.settle()
    assert system.order(order_id).status == "confirmed"
