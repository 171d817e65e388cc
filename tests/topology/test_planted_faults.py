"""The check can fail: each fault that is planted in the product is found by it, in a mix that is clean without it."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

import topologies.payments
from app.domain import fulfilment, payments
from app.domain.calls import Charge
from app.domain.events import OrderCancelled
from app.domain.service import seen
from app.domain.step import Step
from app.gateways.memory import Effects, InMemoryProvider
from app.projections import daily_sales, order_summaries
from app.streaming.driver import START_US
from app.streaming.failures import Attempt
from app.streaming.lanes import Lanes
from app.streaming.record import Record
from app.verify.model import Difference
from tests.topology.checking import differences
from tests.topology.scenarios import (
    Add,
    Cancel,
    Happening,
    LateCall,
    Outage,
    Place,
    Repeat,
    Scenario,
    Wait,
    Work,
)
from tests.topology.system import APPLE, PEAR

PROVIDER, WAREHOUSE = 0, 1

Patch = pytest.MonkeyPatch


def with_begin(rules: ModuleType, begin: Callable[[Any, Any, int], Step[Any]]) -> SimpleNamespace:
    """The rules with another beginning."""
    return SimpleNamespace(begin=begin, conclude=rules.conclude, exhausted=rules.exhausted, abandoned=rules.abandoned)


def forget_to_refund(patch: Patch) -> None:
    def begin(row: Any, cause: Any, now: int) -> Step[Any]:
        step = payments.begin(row, cause, now)
        if isinstance(cause, OrderCancelled) and step.call is not None:
            return Step(row=seen(row or payments.PaymentRow(), cause))
        return step

    patch.setattr(topologies.payments, "payments", with_begin(payments, begin))


def give_up_unknown_charges(patch: Patch) -> None:
    def exhausted(row: Any, cause: Any, call: object, now: int) -> Step[Any]:
        return replace(payments.exhausted(row, cause, call, now), timers=())

    patch.setattr(
        topologies.payments,
        "payments",
        SimpleNamespace(
            begin=payments.begin, conclude=payments.conclude, exhausted=exhausted, abandoned=payments.abandoned
        ),
    )


def confirm_without_delivery(patch: Patch) -> None:
    decision = fulfilment._decision

    def decide(row: fulfilment.FulfilmentRow, cause: Any) -> Any:
        return decision(replace(row, scheduled=True), cause)

    patch.setattr(fulfilment, "_decision", decide)


def charge_a_repeated_call_again(patch: Patch) -> None:
    ask = Effects.ask

    def ask_anew(self: Effects[Any], call: Any, refused: Any) -> Any:
        standing = self.standing.pop((call.order_id, call.order_version), None)
        answer = ask(self, call, refused)
        if isinstance(standing, Charge) and answer is None:
            twice = replace(call, amount_minor=standing.amount_minor + call.amount_minor)
            self.standing[call.order_id, call.order_version] = twice
        return answer

    patch.setattr(Effects, "ask", ask_anew)


def let_voided_charges_happen(patch: Patch) -> None:
    async def perform(self: InMemoryProvider, call: object) -> object:
        if isinstance(call, Charge):
            self.charges._voided.clear()
        return await performed(self, call)

    performed = InMemoryProvider.perform
    patch.setattr(InMemoryProvider, "perform", perform)


def fold_repeated_events_again(patch: Patch) -> None:
    patch.setattr(order_summaries, "is_next", lambda seen, event: True)


def count_no_cancelled_sales(patch: Patch) -> None:
    part = daily_sales._part
    patch.setattr(daily_sales, "_part", lambda order: replace(part(order), cancelled_orders=0))


def overtake_failed_records(patch: Patch) -> None:
    async def first(self: Lanes, record: Record) -> None:
        await self._attempt(record, Attempt())

    patch.setattr(Lanes, "_first", first)


ONE = Place(1, "customer-1", (APPLE,), START_US)
FAULTS: list[tuple[Callable[[Patch], None], list[Happening]]] = [
    (forget_to_refund, [ONE, Work(6), Cancel(1)]),
    (give_up_unknown_charges, [ONE, Work(6), Outage(PROVIDER, "unreachable", 200, None), Cancel(1)]),
    (confirm_without_delivery, [Place(1, "refuse-delivery-1", (APPLE,), START_US)]),
    (charge_a_repeated_call_again, [ONE, Outage(PROVIDER, "lost", 1, None)]),
    (let_voided_charges_happen, [ONE, Work(6), Cancel(1), Wait(1), LateCall(PROVIDER, 0)]),
    (fold_repeated_events_again, [ONE, Wait(1), Repeat("payments.events", "all")]),
    (count_no_cancelled_sales, [ONE, Cancel(1)]),
    (overtake_failed_records, [ONE, Outage(PROVIDER, "unreachable", 3, None), Wait(3), Add(1, PEAR)]),
]


def found(happenings: list[Happening]) -> list[Difference]:
    with Scenario(0, 1, happenings).play() as system:
        return differences(system)


@pytest.mark.parametrize(("plant", "happenings"), FAULTS, ids=[plant.__name__ for plant, _ in FAULTS])
def test_a_planted_fault_is_found(
    plant: Callable[[Patch], None], happenings: list[Happening], monkeypatch: Patch
) -> None:
    assert found(happenings) == []
    plant(monkeypatch)
    assert found(happenings) != []
