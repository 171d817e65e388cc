"""What an operator may do about a saga that failed, and what not."""

import pytest

from app.sagas.instance import Action, Reply, Transition
from app.sagas.operations import MAX_OPERATIONS, NotFailedError, PivotSkippedError, UnknownStepError
from tests.unit.saga_trip import Trip, before_pay, forward_failed, undoing_failed


def test_a_retry_by_an_operator_has_all_its_attempts_again_and_fails_under_an_id_of_its_own() -> None:
    trip = undoing_failed()
    trip.operate("retry", "flight")
    assert (trip.asks, trip.instance.status) == ("free-flight", "COMPENSATING")
    trip.reply("free-flight:failed")
    trip.wake()
    assert trip.asks == "free-flight"
    trip.reply("free-flight:failed")
    assert trip.instance.status == "COMPENSATION_FAILED"
    assert trip.last.failure is not None


@pytest.mark.parametrize(("action", "state"), [("skip", "skipped"), ("resolve", "resolved")])
def test_an_undoing_that_is_skipped_or_resolved_ends_the_saga(action: Action, state: str) -> None:
    trip = undoing_failed()
    trip.operate(action, "flight")
    assert (trip.instance.status, trip.instance.steps[1].undo.state) == ("COMPENSATED", state)
    assert trip.instance.operations[-1].reason == "it was agreed"


@pytest.mark.parametrize("action", ["skip", "resolve"])
def test_a_step_behind_the_pivot_can_be_skipped_or_resolved(action: Action) -> None:
    trip = forward_failed()
    trip.operate(action, "mail")
    assert trip.instance.status == "COMPLETED"


def test_a_pivot_can_be_resolved_but_not_skipped() -> None:
    trip = before_pay()
    for _ in range(3):
        trip.wake()
    with pytest.raises(PivotSkippedError):
        trip.operate("skip", "pay")
    trip.operate("resolve", "pay")
    assert trip.asks == "mail"


@pytest.mark.parametrize("action", ["retry", "skip", "resolve"])
def test_an_operators_command_has_effect_once(action: Action) -> None:
    trip = undoing_failed()
    trip.operate(action, "flight")
    assert trip.operate(action, "flight") == Transition()


@pytest.mark.parametrize("action", ["retry", "skip", "resolve"])
@pytest.mark.parametrize("make", [Trip, before_pay, undoing_failed])
def test_an_operators_command_about_a_step_that_has_not_failed_is_refused(make: type[Trip], action: Action) -> None:
    with pytest.raises(NotFailedError):
        make().operate(action, "hotel")


def test_an_operators_command_about_a_step_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownStepError, match="hotel, flight, pay, mail"):
        undoing_failed().operate("retry", "train")


def test_a_saga_remembers_a_bounded_number_of_operations() -> None:
    trip = undoing_failed()
    for number in range(MAX_OPERATIONS + 5):
        trip.operate("retry", "flight", f"operation {number}")
        trip.reply("free-flight:refused")
    assert len(trip.instance.operations) == MAX_OPERATIONS


def test_a_refusal_of_an_earlier_attempt_that_comes_again_is_none_of_the_retry() -> None:
    trip = before_pay().replies("pay:refused")
    assert trip.command is not None
    refusal = Reply("free-flight:refused", "reply", trip.command.id, "no")
    trip.take(refusal)
    trip.replies("free-hotel:done").operate("retry", "flight")
    assert trip.take(refusal) == Transition()
