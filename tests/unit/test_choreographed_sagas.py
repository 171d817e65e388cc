"""Where a choreographed order stands is told from its events, in the words of a saga."""

from typing import Any

import pytest

from app.domain.events import (
    DeliveryCancelled,
    DeliveryCancelRefused,
    DeliveryRejected,
    DeliveryScheduled,
    Event,
    EventVoided,
    ItemAdded,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PaymentReleaseRefused,
    StockRejected,
    StockReleased,
    StockReleaseRefused,
    StockReserved,
)
from app.domain.requests import SettleDelivery, SettleRefund, SettleStock
from app.inbox import choreographed
from app.sagas.instance import Instance, Operate
from app.sagas.operations import NotFailedError, UnknownStepError
from tests.unit.order_events import NOW, event

DEADLINE_US = 300_000_000


def told(*kinds: tuple[type[Event], dict[str, Any]] | type[Event]) -> Instance:
    """The saga of an order after these events, a second apart."""
    events: list[Event] = []
    for number, one in enumerate((OrderCreated, *kinds), start=1):
        kind, fields = (one[0], dict(one[1])) if isinstance(one, tuple) else (one, {})
        events.append(event(kind, fields.pop("version", 1), occurred_at=NOW + number * 1_000_000, **fields))
    return choreographed.saga(events, DEADLINE_US)


def states(instance: Instance) -> list[tuple[str, str]]:
    return [(step.do.state, step.undo.state) for step in instance.steps[1:4]]


@pytest.mark.parametrize(
    ("kinds", "status", "expected"),
    [
        ([], "RUNNING", [("asked", "idle"), ("idle", "idle"), ("idle", "idle")]),
        ([PaymentCompleted], "RUNNING", [("done", "idle"), ("asked", "idle"), ("idle", "idle")]),
        (
            [PaymentCompleted, StockReserved, DeliveryScheduled, OrderConfirmed],
            "COMPLETED",
            [("done", "idle"), ("done", "idle"), ("done", "idle")],
        ),
        ([PaymentFailed], "COMPENSATING", [("refused", "idle"), ("idle", "idle"), ("idle", "idle")]),
        (
            [PaymentCompleted, StockRejected, OrderCancelled],
            "COMPENSATING",
            [("done", "asked"), ("refused", "idle"), ("idle", "idle")],
        ),
        (
            [PaymentCompleted, StockReserved, DeliveryRejected, OrderCancelled, StockReleased, PaymentRefunded],
            "COMPENSATED",
            [("done", "done"), ("done", "done"), ("refused", "idle")],
        ),
        (
            [PaymentCompleted, StockReserved, DeliveryScheduled, OrderCancelled, PaymentReleaseRefused],
            "COMPENSATION_FAILED",
            [("done", "failed"), ("done", "asked"), ("done", "asked")],
        ),
    ],
)
def test_each_service_is_a_step_and_what_it_undid_its_compensation(
    kinds: list[type[Event]], status: str, expected: list[tuple[str, str]]
) -> None:
    instance = told(*kinds)
    assert (instance.status, states(instance)) == (status, expected)


def test_a_step_waits_for_every_version_and_the_delivery_for_the_first_alone() -> None:
    instance = told((ItemAdded, {"version": 2}), PaymentCompleted, StockReserved, DeliveryScheduled)
    assert [step.do.state for step in instance.steps[1:4]] == ["asked", "asked", "done"]


def test_an_event_that_was_voided_counts_no_more() -> None:
    added = event(ItemAdded, 2)
    voided = (EventVoided, {"version": 2, "event_id": added.event_id})
    assert states(told((ItemAdded, {"version": 2}), voided, PaymentCompleted)) == states(told(PaymentCompleted))


def test_an_order_without_an_outcome_has_its_deadline_and_one_with_an_outcome_has_none() -> None:
    assert told().deadline == NOW + 1_000_000 + DEADLINE_US
    assert told(OrderCancelled).deadline == 0


FAILED = (PaymentCompleted, OrderCancelled, DeliveryCancelled, (PaymentReleaseRefused, {"reason": "disputed"}))


@pytest.mark.parametrize(
    ("action", "state", "status"),
    [
        ("retry", "asked", "COMPENSATING"),
        ("skip", "skipped", "COMPENSATED"),
        ("resolve", "resolved", "COMPENSATED"),
    ],
)
def test_what_an_operator_did_about_a_refused_refund_is_where_it_stands(action: str, state: str, status: str) -> None:
    instance = told(*FAILED, (SettleRefund, {"action": action}))
    assert (instance.status, instance.steps[1].undo.state) == (status, state)
    assert [(one.action, one.operator) for one in instance.operations] == [(action, "ada")]


def test_a_refund_that_is_refused_again_waits_again_and_one_that_is_made_ends_it() -> None:
    retried = (*FAILED, (SettleRefund, {"action": "retry"}))
    assert told(*retried, PaymentReleaseRefused).status == "COMPENSATION_FAILED"
    assert told(*retried, PaymentRefunded).status == "COMPENSATED"


def test_a_refusal_that_answers_a_retry_is_the_newer_one_whatever_the_clocks_of_both_say() -> None:
    """The machine that took the operator's command may be ahead of the one that makes the refund."""
    created, paid, cancelled = (
        event(kind, 1, occurred_at=NOW) for kind in (OrderCreated, PaymentCompleted, OrderCancelled)
    )
    refused = event(PaymentReleaseRefused, 2, order_version=1, occurred_at=NOW + 1)
    retried = event(SettleRefund, 1, action="retry", occurred_at=NOW + 60_000_000)
    again = event(PaymentReleaseRefused, 3, order_version=1, occurred_at=NOW + 2_000_000, causation_id=retried.event_id)
    assert state_of_refund(created, paid, cancelled, refused, retried) == "asked"
    assert state_of_refund(created, paid, cancelled, refused, again, retried) == "failed"


def state_of_refund(*events: Event) -> str:
    return choreographed.saga(events, DEADLINE_US).steps[1].undo.state


DONE = (PaymentCompleted, StockReserved, DeliveryScheduled, OrderCancelled)
BACK: tuple[type[Event], ...] = (PaymentRefunded, StockReleased, DeliveryCancelled)


@pytest.mark.parametrize(
    ("index", "refusal", "settlement"),
    [
        (1, PaymentReleaseRefused, SettleRefund),
        (2, StockReleaseRefused, SettleStock),
        (3, DeliveryCancelRefused, SettleDelivery),
    ],
)
def test_each_service_can_fail_to_undo_and_is_settled_on_its_own(
    index: int, refusal: type[Event], settlement: type[Event]
) -> None:
    others = [kind for number, kind in enumerate(BACK, start=1) if number != index]
    failed = told(*DONE, *others, refusal)
    step = choreographed.STEPS[index]
    assert (failed.status, failed.steps[index].undo.state) == ("COMPENSATION_FAILED", "failed")
    choreographed.check(failed, operate(step))
    settled = told(*DONE, *others, refusal, (settlement, {"action": "resolve"}))
    assert (settled.status, settled.steps[index].undo.state) == ("COMPENSATED", "resolved")
    assert [one.step for one in settled.operations] == [step]


def operate(step: str) -> Operate:
    return Operate(id="1", action="skip", step=step, operator="ada", reason="why")


def test_only_an_undoing_that_failed_takes_an_operators_command() -> None:
    choreographed.check(told(*FAILED), operate("payment"))
    for instance, step in ((told(*FAILED), "stock"), (told(PaymentCompleted), "payment")):
        with pytest.raises(NotFailedError, match="has not failed"):
            choreographed.check(instance, operate(step))
    with pytest.raises(UnknownStepError, match="no step tea; it has order, payment, stock, delivery, confirm"):
        choreographed.check(told(), operate("tea"))
