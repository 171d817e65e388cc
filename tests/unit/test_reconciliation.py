"""The books of an order: what each event adds, and when they are settled."""

from itertools import permutations
from typing import Any

import pytest

from app.domain import reconciliation
from app.domain.events import (
    Event,
    Item,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCompleted,
    PaymentRefunded,
    StockReleased,
    StockReserved,
)
from app.domain.reconciliation import DEADLINE_S, SETTLE, Entry, OrderBooks, ProductBooks, StockMoved
from tests.unit.order_events import NOW, ORDER_ID, event

TWO_APPLES = (Item(sku="apple", quantity=2, unit_price_minor=150),)
CREATED, CONFIRMED = event(OrderCreated, 1, items=TWO_APPLES), event(OrderConfirmed, 2)
CANCELLED = event(OrderCancelled, 2)
PAID, REFUNDED = event(PaymentCompleted, 1, items=TWO_APPLES), event(PaymentRefunded, 2)
RESERVED, RELEASED = event(StockReserved, 1, items=TWO_APPLES), event(StockReleased, 2)


def told(*events: Event) -> tuple[Any, list[Entry]]:
    row: Any = None
    entries = []
    for one in events:
        entries.append(reconciliation.begin(row, one, NOW))
        row = row if entries[-1].row is None else entries[-1].row
    return row, entries


DONE = [[CREATED, CONFIRMED], [PAID], [RESERVED]]
UNDONE = [[CREATED, CANCELLED], [PAID, REFUNDED], [RESERVED, RELEASED]]


@pytest.mark.parametrize(("streams", "paid_minor"), [(DONE, 300), (UNDONE, 0)])
def test_topics_in_any_order_make_the_same_settled_books(streams: list[list[Event]], paid_minor: int) -> None:
    made = {told(*[one for stream in order for one in stream])[0] for order in permutations(streams)}
    [books] = made
    assert (books.settled, books.waits, books.paid_minor) == (True, False, paid_minor)


@pytest.mark.parametrize(
    "events",
    [
        (CREATED, CONFIRMED, PAID),
        (CREATED, CONFIRMED, RESERVED),
        (CREATED, CANCELLED, PAID),
        (CREATED, CANCELLED, RESERVED),
        (CREATED, CONFIRMED, PAID, REFUNDED, RESERVED),
    ],
)
def test_what_is_not_as_the_order_ended_waits_for_a_deadline_that_is_set_once(events: tuple[Event, ...]) -> None:
    books, entries = told(*events)
    assert (books.settled, books.waits) == (False, True)
    [timer] = [timer for entry in entries for timer in entry.timers]
    assert (timer.key, timer.name, timer.due_at) == (ORDER_ID, SETTLE, NOW + DEADLINE_S * 1_000_000)


def test_the_deadline_is_revoked_once_all_is_settled() -> None:
    _, entries = told(CREATED, CANCELLED, PAID, REFUNDED)
    assert [entry.revoked for entry in entries] == [(), (), (), (SETTLE,)]


def test_a_deadline_that_has_passed_tells_of_the_order_and_one_that_is_obsolete_tells_nothing() -> None:
    open_, entries = told(CREATED, CANCELLED, PAID)
    [timer] = entries[-1].timers
    [failure] = reconciliation.begin(open_, timer, NOW).failures
    assert (failure.order_id, failure.books) == (ORDER_ID, open_)
    settled, _ = told(CREATED, CANCELLED, PAID, REFUNDED)
    assert reconciliation.begin(settled, timer, NOW) == Entry()


def test_an_event_that_comes_again_adds_nothing() -> None:
    books, _ = told(CREATED, PAID, RESERVED)
    assert [reconciliation.begin(books, again, NOW) for again in (CREATED, PAID, RESERVED)] == [Entry()] * 3


def test_a_product_is_told_what_was_reserved_and_what_of_it_was_released() -> None:
    _, entries = told(CREATED, PAID, RESERVED, CANCELLED, RELEASED)
    moved = [change for entry in entries for change in entry.events]
    assert moved == [StockMoved("apple", 2), StockMoved("apple", released=2)]
    row: Any = None
    for change in moved:
        row = reconciliation.begin(row, change, NOW).row
    assert row == ProductBooks(2, 2)


def test_books_of_a_pending_order_are_not_judged() -> None:
    assert OrderBooks(charged_minor=5).settled
