"""The books of orders and products are as the services say, in any order; what stays unsettled is alerted once."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from app.domain.calls import Refused, VoidCharges
from app.domain.reconciliation import DEADLINE_S, OrderBooks, product_key
from app.streaming.reactions import Gateway
from tests.topology.orchestrated import Orchestrated
from tests.topology.system import PEAR, SCARCE

LATER_S = DEADLINE_S + 1


class Keeping:
    """A provider that gives nothing back."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def perform(self, call: Any) -> object:
        return Refused("disputed") if isinstance(call, VoidCharges) else await self._gateway.perform(call)


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


def books(system: Orchestrated) -> dict[str, Any]:
    return {key.decode(): row for key, row in system.driver.rows("reconciliation", "books").items()}


def unsettled(system: Orchestrated) -> list[dict[str, Any]]:
    return [alert for alert in system.alerts() if alert["name"] == "order.unsettled"]


@pytest.mark.parametrize("seed", range(8))
def test_books_are_what_the_ledgers_hold_whatever_the_order_of_delivery(seed: int) -> None:
    with Orchestrated(random=Random(seed), partitions=2) as system:
        orders = [
            system.place(number=1),
            system.place(SCARCE, number=2),
            system.place(number=3, fulfilment="orchestration"),
            system.place(number=4, customer_id="refuse-delivery-1", fulfilment="orchestration"),
        ]
        system.add(orders[0], PEAR)
        system.driver.crash(topology="reconciliation", at="committed", wiped=True)
        system.settle()
        found = books(system)
        assert {order_id for order_id in orders if not found[order_id].settled or found[order_id].waits} == set()
        paid = {order_id: found[order_id].paid_minor for order_id in orders}
        assert paid == {orders[0]: 380, orders[1]: 0, orders[2]: 300, orders[3]: 0}
        assert (found[orders[1]].charged_minor, found[orders[1]].refunded_minor) == (65, 65)
        assert (found[orders[2]].reserved_minor, found[orders[2]].captured_minor) == (300, 300)
        assert (found[orders[3]].reserved_minor, found[orders[3]].released_minor) == (300, 300)
        product = found[product_key("apple")]
        assert (product.reserved, product.released) == (6, 2)
        left = Counter({sku: found[product_key(sku)].reserved - found[product_key(sku)].released for sku in
                        ("apple", "pear")})  # fmt: skip
        assert left == system.stock_book.reserved


def test_what_stays_unsettled_is_alerted_once_after_its_deadline(system: Orchestrated) -> None:
    system.provider.gateway = Keeping(system.charge_book)
    order_id = system.place(SCARCE, fulfilment="orchestration")
    system.settle(DEADLINE_S - 1)
    assert not books(system)[order_id].settled
    assert unsettled(system) == []
    system.settle(2)
    system.driver.crash(topology="reconciliation")
    system.settle(10 * LATER_S)
    [alert] = unsettled(system)
    assert alert["cause"] == {"order_id": order_id, "outcome": "cancelled"}
    assert (alert["details"]["held_minor"], alert["details"]["paid_minor"]) == ("65", "0")
    assert [told.id for told in system.receivers.taken if told.name == "order.unsettled"] == [alert["id"]]


def test_what_is_settled_in_time_is_not_alerted(system: Orchestrated) -> None:
    order_id = system.place()
    system.provider.fails("lost", until_us=system.in_s(40))
    system.settle(1)
    system.cancel(order_id)
    system.settle(20)
    assert books(system)[order_id] == OrderBooks(orders=2, outcome="cancelled", total_minor=300, ordered=2)
    system.settle(LATER_S)
    settled = books(system)[order_id]
    assert (settled.charged_minor, settled.refunded_minor, settled.waits) == (300, 300, False)
    assert system.alerts() == []
    assert system.driver.rows("reconciliation", "timers") == {}
