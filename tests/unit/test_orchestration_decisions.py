"""The decisions of a saga about its order, and what it does when they are not answered."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.domain import calls, orchestration
from app.domain.events import (
    DeliveryScheduled,
    Event,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentFailed,
    PaymentReleased,
    PaymentReleaseRefused,
    PaymentReserved,
    StockRejected,
    StockReserved,
)
from app.domain.orchestrated import OrchestrationRow
from app.domain.step import Step, Timer
from app.sagas.instance import Failure
from tests.unit.order_events import NOW, ORDER_ID, event

CREATED = event(OrderCreated, 1, fulfilment="orchestration")
PAID = (CREATED, event(PaymentReserved, 1))
STOCK_REJECTED = event(StockRejected, 1)
DELIVERED = event(DeliveryScheduled, 1)


def told(*causes: Event) -> Any:
    """The row of the saga after these events."""
    row: OrchestrationRow | None = None
    for cause in causes:
        row = orchestration.begin(row, cause, NOW).row
    return row


BEFORE_CONFIRM = told(*PAID, event(StockReserved, 1))
CONFIRM = orchestration.begin(BEFORE_CONFIRM, DELIVERED, NOW).call


def concluded(answer: object) -> Step[OrchestrationRow]:
    return orchestration.conclude(BEFORE_CONFIRM, DELIVERED, CONFIRM, answer, NOW)


def test_an_order_with_all_it_needs_is_confirmed_at_the_version_it_was_placed_at() -> None:
    assert isinstance(CONFIRM, calls.Confirm)
    assert (CONFIRM.order_id, CONFIRM.order_version, CONFIRM.causation_id) == (ORDER_ID, 1, DELIVERED.event_id)


def test_a_confirmed_order_is_captured() -> None:
    assert [type(one).__name__ for one in concluded(calls.Decided(2)).events] == ["CapturePayment"]


def test_what_the_saga_has_decided_itself_is_no_news() -> None:
    confirmed = concluded(calls.Decided(2)).row
    assert orchestration.begin(confirmed, event(OrderConfirmed, 2), NOW) == Step()
    failed = event(PaymentFailed, 1)
    call = orchestration.begin(told(CREATED), failed, NOW).call
    cancelled = orchestration.conclude(told(CREATED), failed, call, calls.Decided(2), NOW).row
    assert orchestration.begin(cancelled, event(OrderCancelled, 2), NOW) == Step()


def test_an_order_that_ended_before_its_confirm_is_undone() -> None:
    assert [type(one).__name__ for one in concluded(calls.Superseded(2)).events] == ["CancelDelivery"]


def test_a_confirm_without_an_answer_is_asked_for_again_for_the_same_cause() -> None:
    """The store then knows it, if only the answer was lost."""
    step = orchestration.exhausted(BEFORE_CONFIRM, DELIVERED, CONFIRM, NOW)
    assert step.events == ()
    for _ in range(2):  # once its timeout has passed, and once the wait after that
        [timer] = [timer for timer in step.timers if timer.name == "saga-step"]
        row, fired = step.row, timer
        step = orchestration.begin(row, fired, timer.due_at)
    assert step.call == CONFIRM
    answered = orchestration.conclude(row, fired, CONFIRM, calls.Decided(2), fired.due_at)
    assert [type(one).__name__ for one in answered.events] == ["CapturePayment"]


def test_a_refused_payment_cancels_the_order_for_that_reason() -> None:
    row, failed = told(CREATED), event(PaymentFailed, 1, reason="card expired")
    call = orchestration.begin(row, failed, NOW).call
    assert isinstance(call, calls.Cancel)
    assert call.reason == "payment: card expired"
    for answer in (calls.Decided(2), calls.Superseded(2)):
        step = orchestration.conclude(row, failed, call, answer, NOW)
        assert step.row is not None
        assert (step.row.saga.status, step.row.placed) == ("COMPENSATED", None)
        assert set(step.revoked) == {"saga-step", "saga-deadline"}


def test_a_payment_that_cannot_be_released_is_told_and_the_order_is_cancelled_all_the_same() -> None:
    [release] = orchestration.begin(told(*PAID), STOCK_REJECTED, NOW).events
    row = told(*PAID, STOCK_REJECTED)
    refused = replace(event(PaymentReleaseRefused, 2, reason="disputed"), causation_id=release.event_id)
    call = orchestration.begin(row, refused, NOW).call
    step = orchestration.conclude(row, refused, call, calls.Decided(2), NOW)
    [failure] = step.failures
    assert isinstance(failure, Failure)
    assert (failure.step, failure.error) == ("payment", "disputed")
    assert step.row is not None
    assert step.row.saga.status == "COMPENSATION_FAILED"


def test_a_cancel_by_the_customer_undoes_what_was_done_and_asks_for_no_other() -> None:
    row = told(*PAID)
    step = orchestration.begin(row, event(OrderCancelled, 2), NOW)
    assert [type(one).__name__ for one in step.events] == ["ReleaseStock"]
    assert step.row is not None
    assert step.row.saga.steps[0].undo.state == "done"


def test_an_answer_seen_before_and_an_obsolete_timer_have_no_effect() -> None:
    row = told(*PAID)
    assert orchestration.begin(row, PAID[1], NOW) == Step()
    obsolete = Timer(ORDER_ID, "saga-step", NOW - 1, CREATED.event_id, ORDER_ID)
    assert orchestration.begin(row, obsolete, NOW).events == ()


@pytest.mark.parametrize("cause", [event(OrderCreated, 1), event(PaymentReleased, 1), event(OrderCancelled, 2)])
def test_an_order_without_a_saga_is_left_alone(cause: Event) -> None:
    assert orchestration.begin(None, cause, NOW) == Step()


def test_an_answer_that_answers_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="does not answer"):
        concluded(calls.Voided())
    with pytest.raises(TypeError, match="was not asked for"):
        orchestration.conclude(told(CREATED), PAID[1], CONFIRM, calls.Decided(2), NOW)
