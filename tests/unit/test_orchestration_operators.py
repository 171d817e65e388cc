"""An operator's commands about the saga of an order, as records of their topic."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.domain import calls, orchestration
from app.domain.events import Event, OrderCreated, PaymentReleaseRefused, PaymentReserved, StockRejected
from app.domain.requests import ResolveStep, RetryStep, SagaOperation, SkipStep
from app.domain.step import Step
from tests.unit.order_events import NOW, event


def operation(kind: type[SagaOperation], step: str = "payment") -> Event:
    return event(kind, 1, step=step, operator="ada", reason="agreed")


def with_failed_release() -> Any:
    """The row of a saga whose payment could not be released."""
    row: Any = None
    for cause in (event(OrderCreated, 1, fulfilment="orchestration"), event(PaymentReserved, 1)):
        row = orchestration.begin(row, cause, NOW).row
    step = orchestration.begin(row, event(StockRejected, 1), NOW)
    refused = replace(event(PaymentReleaseRefused, 2), causation_id=step.events[0].event_id)
    call = orchestration.begin(step.row, refused, NOW).call
    return orchestration.conclude(step.row, refused, call, calls.Decided(2), NOW).row


def test_a_retried_step_is_asked_for_again() -> None:
    step = orchestration.begin(with_failed_release(), operation(RetryStep), NOW)
    assert [type(told).__name__ for told in step.events] == ["ReleasePayment"]
    assert step.row is not None
    assert step.row.saga.status == "COMPENSATING"


@pytest.mark.parametrize("kind", [SkipStep, ResolveStep])
def test_a_step_that_is_skipped_or_resolved_ends_the_saga_and_is_audited(kind: type[SagaOperation]) -> None:
    asked = operation(kind)
    row = orchestration.begin(with_failed_release(), asked, NOW).row
    assert row is not None
    assert row.saga.status == "COMPENSATED"
    [audited] = row.saga.operations
    assert (audited.id, audited.operator, audited.reason) == (asked.event_id, "ada", "agreed")


@pytest.mark.parametrize("kind", [RetryStep, SkipStep, ResolveStep])
def test_the_same_command_has_effect_once(kind: type[SagaOperation]) -> None:
    asked = operation(kind)
    row = orchestration.begin(with_failed_release(), asked, NOW).row
    again = orchestration.begin(row, asked, NOW)
    assert (again.row, again.events, again.timers) == (row, (), ())


@pytest.mark.parametrize("step", ["stock", "train"])
def test_a_command_that_is_refused_where_the_saga_stands_has_no_effect(step: str) -> None:
    assert orchestration.begin(with_failed_release(), operation(SkipStep, step), NOW) == Step()


def test_a_command_about_an_order_without_a_saga_has_no_effect() -> None:
    assert orchestration.begin(None, operation(RetryStep), NOW) == Step()
