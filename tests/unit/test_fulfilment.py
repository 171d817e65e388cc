"""When the saga decides, and what; the same whatever order its topics are read in."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import fulfilment
from app.domain.calls import Cancel, Confirm, Decided, Superseded
from app.domain.events import (
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
    StockRejected,
    StockReserved,
)
from app.domain.fulfilment import FulfilmentRow
from app.domain.step import Step
from app.domain.streams import VersionGapError
from tests.unit.order_events import NOW, ORDER_ID, event, interleavings

CREATED, ADDED = event(OrderCreated, 1), event(ItemAdded, 2)
PAID, RESERVED, SCHEDULED = event(PaymentCompleted, 1), event(StockReserved, 1), event(DeliveryScheduled, 1)
FULFILLED = [CREATED, PAID, RESERVED, SCHEDULED]


def told(*events: Event) -> FulfilmentRow | None:
    """The row after events that lead to no decision."""
    row = None
    for each in events:
        step = fulfilment.begin(row, each, NOW)
        assert step.call is None
        row = row if step.row is None else step.row
    return row


def confirm(order_version: int, cause: Event) -> Confirm:
    return Confirm(
        order_id=ORDER_ID,
        order_version=order_version,
        causation_id=cause.event_id,
        correlation_id=cause.correlation_id,
    )


@pytest.mark.parametrize("last", FULFILLED)
def test_an_order_is_confirmed_when_the_last_part_is_done(last: Event) -> None:
    row = told(*(each for each in FULFILLED if each is not last))
    assert fulfilment.begin(row, last, NOW).call == confirm(1, last)


def test_an_added_item_must_be_paid_and_reserved_too() -> None:
    row = told(CREATED, ADDED, PAID, RESERVED, SCHEDULED, event(PaymentCompleted, 2, order_version=2))
    last = event(StockReserved, 2, order_version=2)
    assert fulfilment.begin(row, last, NOW).call == confirm(2, last)


def test_nothing_of_a_voided_version_is_to_be_paid_or_reserved() -> None:
    voided = event(EventVoided, 2)
    row = told(CREATED, voided, PAID, RESERVED)
    assert fulfilment.begin(row, SCHEDULED, NOW).call == confirm(2, SCHEDULED)
    superseded = fulfilment.conclude(
        told(CREATED, PAID, RESERVED), SCHEDULED, confirm(1, SCHEDULED), Superseded(2), NOW
    )
    assert fulfilment.begin(superseded.row, voided, NOW).call == confirm(2, voided)


def test_a_payment_tells_of_an_item_before_the_order_does() -> None:
    row = told(CREATED, PAID, RESERVED, event(PaymentCompleted, 2, order_version=2))
    assert fulfilment.begin(row, SCHEDULED, NOW).call is None


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (event(PaymentFailed, 1, reason="card expired"), "payment failed: card expired"),
        (event(StockRejected, 1, reason="out of stock"), "stock rejected: out of stock"),
        (event(DeliveryRejected, 1, reason="too far"), "delivery rejected: too far"),
    ],
)
def test_an_order_is_cancelled_on_the_first_refusal(refusal: Event, reason: str) -> None:
    call = fulfilment.begin(told(CREATED), refusal, NOW).call
    assert call == Cancel(
        order_id=ORDER_ID, reason=reason, causation_id=refusal.event_id, correlation_id=refusal.correlation_id
    )


@pytest.mark.parametrize("answer", [Decided(2), Superseded(2)])
def test_an_answered_decision_is_not_repeated(answer: object) -> None:
    row = fulfilment.conclude(told(CREATED, PAID, RESERVED), SCHEDULED, confirm(1, SCHEDULED), answer, NOW).row
    assert row is not None
    assert row.answered
    late = fulfilment.begin(row, event(DeliveryScheduled, 2), NOW)
    assert late.call is None


def test_a_superseded_confirm_waits_for_the_newer_version() -> None:
    row = fulfilment.conclude(told(CREATED, PAID, RESERVED), SCHEDULED, confirm(1, SCHEDULED), Superseded(2), NOW).row
    for each in (ADDED, event(PaymentCompleted, 2, order_version=2)):
        row = fulfilment.begin(row, each, NOW).row
    last = event(StockReserved, 2, order_version=2)
    assert fulfilment.begin(row, last, NOW).call == confirm(2, last)


def test_a_decision_without_an_answer_is_made_again_by_a_timer() -> None:
    lost = fulfilment.exhausted(told(CREATED, PAID, RESERVED), SCHEDULED, confirm(1, SCHEDULED), NOW)
    (timer,) = lost.timers
    assert (timer.name, timer.due_at) == ("decide", NOW + 5_000_000)
    assert fulfilment.begin(lost.row, timer, timer.due_at).call == confirm(1, SCHEDULED)
    again = fulfilment.exhausted(lost.row, timer, confirm(1, SCHEDULED), timer.due_at)
    assert again.timers == (msgspec.structs.replace(timer, due_at=timer.due_at + 5_000_000),)


@pytest.mark.parametrize("end", [event(OrderConfirmed, 2), event(OrderCancelled, 2)])
def test_after_the_end_nothing_is_decided(end: Event) -> None:
    row = told(CREATED, end, PAID, RESERVED, SCHEDULED, event(PaymentFailed, 2, order_version=2))
    assert row == FulfilmentRow(ended=True)


def test_an_obsolete_timer_decides_nothing() -> None:
    lost = fulfilment.exhausted(told(CREATED, PAID, RESERVED), SCHEDULED, confirm(1, SCHEDULED), NOW)
    ended = fulfilment.begin(lost.row, event(OrderCancelled, 2), NOW).row
    assert fulfilment.begin(ended, lost.timers[0], NOW).call is None


def test_an_orchestrated_order_is_left_to_its_orchestrator() -> None:
    created = event(OrderCreated, 1, fulfilment="orchestration")
    later = (PAID, RESERVED, SCHEDULED, event(PaymentFailed, 2, order_version=1))
    assert told(created, *later) == told(*later, created) == FulfilmentRow(ended=True)


def test_a_seen_event_leads_to_nothing_and_a_gap_is_refused() -> None:
    row = told(CREATED, PAID)
    assert fulfilment.begin(row, PAID, NOW) == Step()
    with pytest.raises(VersionGapError):
        fulfilment.begin(row, event(PaymentCompleted, 3), NOW)


_DELIVERY: list[type[Event]] = [DeliveryScheduled, DeliveryRejected]
_NEXT: st.SearchStrategy[type[Event]] = st.sampled_from([ItemAdded, EventVoided])


@st.composite
def streams(draw: st.DrawFn) -> list[list[Event]]:
    """What the four topics may hold of one order before it ends: all of it, or as far as they have come."""
    versions = range(1, draw(st.integers(1, 3)) + 1)
    of_order: list[Event] = [CREATED, *(event(draw(_NEXT), version) for version in versions[1:])]
    asked = [each.version for each in of_order if not isinstance(each, EventVoided)]
    paid = [(v, draw(st.sampled_from([PaymentCompleted, PaymentCompleted, PaymentFailed]))) for v in asked]
    stock = [
        (v, draw(st.sampled_from([StockReserved, StockReserved, StockRejected])))
        for v, kind in paid
        if kind is PaymentCompleted
    ]
    first = [v for v, kind in stock if kind is StockReserved][:1]
    deliveries = [(v, draw(st.sampled_from(_DELIVERY))) for v in first]
    answers = [_stream(paid), _stream(stock), _stream(deliveries)]
    return [of_order, *(each[: draw(st.integers(0, len(each)))] if draw(st.booleans()) else each for each in answers)]


def _stream(answers: list[tuple[int, Any]]) -> list[Event]:
    return [event(kind, version, order_version=order) for version, (order, kind) in enumerate(answers, start=1)]


def run(events: list[Event], newest: int) -> tuple[FulfilmentRow | None, list[type]]:
    """The last row, and the decisions that took effect on an order at version `newest`."""
    row, decided = None, list[type]()
    for each in events:
        step = fulfilment.begin(row, each, NOW)
        call = step.call
        if isinstance(call, Confirm | Cancel):
            effective = not decided and (isinstance(call, Cancel) or call.order_version == newest)
            decided += [type(call)] * effective
            step = fulfilment.conclude(row, each, call, Decided(newest + 1) if effective else Superseded(newest), NOW)
        row = step.row
    return row, decided


@given(st.data())
def test_rows_and_decisions_do_not_depend_on_the_order_between_topics(data: st.DataObject) -> None:
    topics = data.draw(streams())
    newest = len(topics[0])
    one, other = data.draw(interleavings(topics)), data.draw(interleavings(topics))
    assert run(one, newest) == run(other, newest)


@given(st.data())
def test_a_decision_is_made_exactly_when_it_can_be(data: st.DataObject) -> None:
    topics = data.draw(streams())
    _, decided = run(data.draw(interleavings(topics)), len(topics[0]))
    answers = [type(each) for topic in topics[1:] for each in topic]
    refused = {PaymentFailed, StockRejected, DeliveryRejected}.intersection(answers)
    whole = [answers.count(kind) for kind in (PaymentCompleted, StockReserved, DeliveryScheduled)]
    asked = sum(not isinstance(each, EventVoided) for each in topics[0])
    fulfilled = whole == [asked, asked, 1]
    assert decided == ([Cancel] if refused else [Confirm] if fulfilled else [])


@given(st.data())
def test_rows_survive_their_encoding(data: st.DataObject) -> None:
    row, _ = run(data.draw(interleavings(data.draw(streams()))), 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=FulfilmentRow) == row
