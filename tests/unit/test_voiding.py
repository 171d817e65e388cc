"""What may take the place of an event, and for which events nothing may."""

import pytest

from app.domain.events import Event, EventVoided, Fulfilment, ItemAdded, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.fields import MAX_TEXT, Status
from app.domain.voiding import NotVoidableError, voided
from tests.unit.order_events import NOW, ORDER_ID, event

BAD = event(ItemAdded, 2).event_id


def substitute(
    version: int,
    *kinds: type[Event],
    fulfilment: Fulfilment = "choreography",
    readable: bool = True,
    reason: str = "no event",
) -> EventVoided:
    """What takes the place of a version of an order of these events."""
    created = event(OrderCreated, 1, fulfilment=fulfilment) if readable else None
    stream: list[type[Event]] = [OrderCreated, *kinds]
    named = {at: kind.__name__ for at, kind in enumerate(stream, start=1)}
    return voided(created, named, version, BAD, reason=reason, now=NOW)


def test_what_takes_the_place_of_an_event_has_its_id_and_version() -> None:
    assert substitute(2, ItemAdded, ItemAdded) == EventVoided(
        event_id=BAD,
        order_id=ORDER_ID,
        version=2,
        occurred_at=NOW,
        correlation_id=event(OrderCreated, 1).correlation_id,
        causation_id=substitute(2, ItemAdded).causation_id,
        reason="no event",
        status="pending",
    )


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ((ItemAdded,), "pending"),
        ((OrderConfirmed,), "confirmed"),
        ((OrderCancelled,), "cancelled"),
        ((OrderConfirmed, EventVoided), "confirmed"),
    ],
)
def test_it_says_how_the_order_stood(kinds: tuple[type[Event], ...], status: Status) -> None:
    assert substitute(len(kinds) + 2, *kinds, ItemAdded).status == status


def test_a_long_reason_is_cut() -> None:
    assert substitute(2, ItemAdded, reason="x" * 5_000).reason == "x" * MAX_TEXT


def test_nothing_takes_the_place_of_the_first_event() -> None:
    with pytest.raises(NotVoidableError, match="version 1"):
        substitute(1, ItemAdded)
    with pytest.raises(NotVoidableError, match="version 1"):
        substitute(2, ItemAdded, readable=False)


@pytest.mark.parametrize("end", [OrderConfirmed, OrderCancelled])
def test_an_end_may_go_where_nobody_goes_by_it(end: type[Event]) -> None:
    assert substitute(2, end).status == "pending"
    assert substitute(3, OrderConfirmed, end, fulfilment="orchestration").status == "confirmed"
    with pytest.raises(NotVoidableError, match="version 2 ended order"):
        substitute(2, end, fulfilment="orchestration")
    with pytest.raises(NotVoidableError, match="version 2 ended order"):
        substitute(2, end, ItemAdded)
