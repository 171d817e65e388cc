"""What payments, inventory and shipping have in common, each claim held against all three."""

from types import ModuleType
from typing import Any

import msgspec
import pytest

from app.domain import calls, inventory, payments, shipping
from app.domain.events import (
    DeliveryCancelled,
    DeliveryRejected,
    DeliveryScheduled,
    Event,
    EventVoided,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    StockRejected,
    StockReleased,
    StockReserved,
)
from app.domain.service import ServiceRow
from app.domain.step import Step, Timer
from app.domain.streams import VersionGapError
from tests.unit.order_events import NOW, event


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A service, what makes it act, and what it hears and tells."""

    rules: ModuleType
    cause: Event
    done: object
    undo: type[calls.VoidCharges | calls.ReleaseStock | calls.CancelDeliveries]
    undone: object
    nothing_undone: object
    announces: tuple[type[Event], type[Event], type[Event]]
    timer: str


PAYMENTS = Case(
    rules=payments,
    cause=event(OrderCreated, 1),
    done=calls.Charged("payment-1"),
    undo=calls.VoidCharges,
    undone=calls.Refunds((calls.Refund(1, "GBP", 300),)),
    nothing_undone=calls.Refunds(()),
    announces=(PaymentCompleted, PaymentFailed, PaymentRefunded),
    timer="void",
)
INVENTORY = Case(
    rules=inventory,
    cause=event(PaymentCompleted, 1),
    done=calls.Reserved(),
    undo=calls.ReleaseStock,
    undone=calls.Released((1,)),
    nothing_undone=calls.Released(()),
    announces=(StockReserved, StockRejected, StockReleased),
    timer="release",
)
SHIPPING = Case(
    rules=shipping,
    cause=event(StockReserved, 1),
    done=calls.Scheduled("delivery-1"),
    undo=calls.CancelDeliveries,
    undone=calls.CancelledDeliveries((calls.CancelledDelivery(1, "delivery-1"),)),
    nothing_undone=calls.CancelledDeliveries(()),
    announces=(DeliveryScheduled, DeliveryRejected, DeliveryCancelled),
    timer="cancel",
)
CANCEL = event(OrderCancelled, 2)

every_service = pytest.mark.parametrize("case", [PAYMENTS, INVENTORY, SHIPPING], ids=lambda case: case.timer)


def answered(case: Case, row: Any, cause: Event | Timer, answer: object | None) -> Step[Any]:
    """The step after the cause's call was answered, or with None was not."""
    call = case.rules.begin(row, cause, NOW).call
    assert call is not None
    if answer is None:
        return case.rules.exhausted(row, cause, call, NOW)  # type: ignore[no-any-return]  # rules are modules
    return case.rules.conclude(row, cause, call, answer, NOW)  # type: ignore[no-any-return]  # rules are modules


def kinds(step: Step[ServiceRow]) -> list[type[Event]]:
    return [type(each) for each in step.events]


@every_service
def test_done_is_announced_and_undone_on_a_cancel(case: Case) -> None:
    done = answered(case, None, case.cause, case.done)
    assert kinds(done) == [case.announces[0]]
    undone = answered(case, done.row, CANCEL, case.undone)
    assert kinds(undone) == [case.announces[2]]
    assert [each.version for each in (*done.events, *undone.events)] == [1, 2]


@every_service
@pytest.mark.parametrize("answer", [calls.Refused("no"), calls.Voided()], ids=["refused", "voided"])
def test_refused_is_announced_and_never_undone(case: Case, answer: object) -> None:
    refused = answered(case, None, case.cause, answer)
    assert kinds(refused) == [case.announces[1]]
    assert answered(case, refused.row, CANCEL, case.nothing_undone).events == ()


@every_service
def test_a_cancel_undoes_every_version_before_it_done_or_not(case: Case) -> None:
    step = case.rules.begin(None, event(OrderCancelled, 4), NOW)
    assert step.call == case.undo(order_id=CANCEL.order_id, order_versions=(1, 2, 3))


@every_service
def test_an_order_whose_confirmation_was_voided_is_undone_by_a_cancel(case: Case) -> None:
    done = answered(case, None, case.cause, case.done)
    assert case.rules.begin(done.row, event(OrderConfirmed, 2), NOW) == Step()
    passed = case.rules.begin(done.row, event(EventVoided, 2), NOW)
    cancelled = case.rules.begin(passed.row, event(OrderCancelled, 3), NOW)
    assert cancelled.call == case.undo(order_id=CANCEL.order_id, order_versions=(1, 2))


@every_service
def test_what_was_voided_after_the_end_is_of_no_use(case: Case) -> None:
    done = answered(case, None, case.cause, case.done)
    for version in (3, 4):
        assert case.rules.begin(done.row, event(EventVoided, version, status="confirmed"), NOW) == Step()


@pytest.mark.parametrize("case", [INVENTORY, SHIPPING], ids=lambda case: case.timer)
def test_after_a_cancel_nothing_is_done(case: Case) -> None:
    cancelled = answered(case, None, CANCEL, case.nothing_undone)
    late = case.rules.begin(cancelled.row, case.cause, NOW)
    assert late.call is None
    assert late.events == ()


@every_service
def test_no_answer_is_announced_as_unavailable_and_undone_later(case: Case) -> None:
    lost = answered(case, None, case.cause, None)
    assert kinds(lost) == [case.announces[1]]
    assert msgspec.structs.asdict(lost.events[0])["reason"] == "unavailable"
    (timer,) = lost.timers
    assert (timer.name, timer.due_at) == (case.timer, NOW + 5_000_000)
    call = case.rules.begin(lost.row, timer, NOW).call
    assert call == case.undo(order_id=CANCEL.order_id, order_versions=(1,))


@every_service
def test_undoing_what_was_never_announced_is_not_announced(case: Case) -> None:
    lost = answered(case, None, case.cause, None)
    undone = answered(case, lost.row, lost.timers[0], case.undone)
    assert (undone.events, undone.timers) == ((), ())
    assert undone.row is not None
    assert undone.row.unknown == ()


@every_service
def test_the_timer_goes_on_with_growing_waits_and_then_an_operator_is_told(case: Case) -> None:
    step, waits = answered(case, None, case.cause, None), []
    while step.timers:
        assert step.failures == ()
        waits.append((step.timers[0].due_at - NOW) // 1_000_000)
        step = answered(case, step.row, step.timers[0], None)
    assert waits == [5, 10, 20, *[30] * 17]
    assert step.row is not None
    assert (step.row.unknown, step.row.refused) == ((), (1,))
    assert ([type(one) for one in step.events], len(step.failures)) == ([case.rules.UNDOING.refused], 1)


@every_service
def test_a_cancel_without_an_answer_is_announced_when_the_timer_is_answered(case: Case) -> None:
    done = answered(case, None, case.cause, case.done)
    lost = answered(case, done.row, CANCEL, None)
    assert (lost.events, lost.row is not None and lost.row.cancelled) == ((), True)
    by_timer = answered(case, lost.row, lost.timers[0], case.undone)
    at_once = answered(case, done.row, CANCEL, case.undone)
    assert by_timer.events == at_once.events


@every_service
def test_an_obsolete_timer_asks_for_nothing(case: Case) -> None:
    lost = answered(case, None, case.cause, None)
    cancelled = answered(case, lost.row, CANCEL, case.undone)
    assert case.rules.begin(cancelled.row, lost.timers[0], NOW) == Step(row=cancelled.row)


@every_service
def test_a_seen_event_leads_to_nothing_and_a_gap_is_refused(case: Case) -> None:
    done = answered(case, None, case.cause, case.done)
    assert case.rules.begin(done.row, case.cause, NOW) == Step()
    with pytest.raises(VersionGapError):
        case.rules.begin(done.row, msgspec.structs.replace(case.cause, version=3), NOW)


@every_service
def test_a_confirmed_order_asks_for_nothing(case: Case) -> None:
    done = answered(case, None, case.cause, case.done)
    for row in (None, done.row):
        assert case.rules.begin(row, event(OrderConfirmed, 2), NOW) == Step()


@every_service
def test_an_orchestrated_order_is_left_to_its_orchestrator(case: Case) -> None:
    cause = msgspec.structs.replace(case.cause, fulfilment="orchestration")
    assert case.rules.begin(None, cause, NOW).call is None


@every_service
def test_rows_survive_their_encoding(case: Case) -> None:
    lost = answered(case, None, case.cause, None)
    row = answered(case, lost.row, CANCEL, None).row
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=type(row)) == row


@every_service
def test_an_answer_to_another_call_is_a_mistake_of_ours(case: Case) -> None:
    call = case.rules.begin(None, case.cause, NOW).call
    with pytest.raises(TypeError, match="does not answer"):
        case.rules.conclude(None, case.cause, call, calls.Decided(1), NOW)
