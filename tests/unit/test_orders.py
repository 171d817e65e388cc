"""Orders: what is refused, and what the events make of an order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain import limits, orders
from app.domain.events import Event, EventVoided, Item, ItemAdded, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.orders import (
    AddItem,
    CancelOrder,
    Command,
    ConfirmOrder,
    CreateOrder,
    Order,
    decide,
    evolve,
    evolve_all,
)
from tests.unit.order_events import CUSTOMER_ID, NOW, ORDER_ID, event, items, order_histories

COMMAND_ID = "5f0c8d0e-6f5d-4f5c-9a43-1d2f3c4b5a69"
APPLE = Item(sku="apple", quantity=2, unit_price_minor=150)


def creation(**changed: Any) -> CreateOrder:
    usual = {"order_id": ORDER_ID, "customer_id": CUSTOMER_ID, "currency": "GBP", "items": (APPLE,)}
    return CreateOrder(**{**usual, **changed})


def ask(order: Order | None, command: Command) -> Event:
    (decided,) = decide(order, command, causation_id=COMMAND_ID, now=NOW)
    return decided


def after(*events: Event) -> Order:
    order = None
    for each in events:
        order = evolve(order, each)
    assert order is not None
    return order


PENDING = after(event(OrderCreated, 1))
ENDED = [after(event(OrderCreated, 1), event(kind, 2)) for kind in (OrderConfirmed, OrderCancelled)]
CHANGES: list[Command] = [
    AddItem(order_id=ORDER_ID, item=APPLE),
    CancelOrder(order_id=ORDER_ID, reason="no need"),
    ConfirmOrder(order_id=ORDER_ID),
]


def test_an_order_is_created_at_version_one_and_placed_now() -> None:
    created = ask(None, creation())
    assert isinstance(created, OrderCreated)
    assert (created.version, created.placed_at, created.items) == (1, NOW, (APPLE,))
    assert created.causation_id == created.correlation_id == COMMAND_ID


def test_an_order_may_have_been_placed_before_it_is_created() -> None:
    created = ask(None, creation(placed_at=NOW - 5))
    assert isinstance(created, OrderCreated)
    assert (created.placed_at, created.occurred_at) == (NOW - 5, NOW)


def test_the_same_command_leads_to_the_same_event_id() -> None:
    assert ask(None, creation()).event_id == ask(None, creation()).event_id
    assert len({ask(PENDING, command).event_id for command in CHANGES}) == len(CHANGES)


def test_an_order_that_exists_is_not_created_again() -> None:
    with pytest.raises(orders.OrderExistsError):
        ask(PENDING, creation())


@pytest.mark.parametrize("command", CHANGES)
def test_an_unknown_order_takes_no_change(command: Command) -> None:
    with pytest.raises(orders.UnknownOrderError):
        ask(None, command)


@pytest.mark.parametrize("order", ENDED)
@pytest.mark.parametrize("command", CHANGES)
def test_an_ended_order_takes_no_change(order: Order, command: Command) -> None:
    with pytest.raises(orders.OrderEndedError):
        ask(order, command)


def test_an_orchestrated_order_takes_no_more_items() -> None:
    order = after(event(OrderCreated, 1, fulfilment="orchestration"))
    with pytest.raises(orders.OrderOrchestratedError):
        ask(order, CHANGES[0])
    assert isinstance(ask(order, CHANGES[1]), OrderCancelled)


def item(**changed: Any) -> Item:
    return Item(**{"sku": "apple", "quantity": 1, "unit_price_minor": 1, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"order_id": "order-1"},
        {"order_id": ORDER_ID.upper()},
        {"customer_id": ""},
        {"customer_id": "a\x00b"},
        {"customer_id": "c" * (limits.MAX_TEXT + 1)},
        {"currency": "gbp"},
        {"currency": "GBPS"},
        {"reference": "line\nbreak"},
        {"placed_at": 0},
        {"placed_at": limits.END_OF_TIME},
        {"items": ()},
        {"items": (APPLE,) * (limits.MAX_ITEMS + 1)},
        {"items": (item(sku=""),)},
        {"items": (item(quantity=0),)},
        {"items": (item(quantity=limits.MAX_QUANTITY + 1),)},
        {"items": (item(unit_price_minor=-1),)},
        {"items": (item(unit_price_minor=limits.MAX_TOTAL_MINOR), item())},
    ],
)
def test_an_order_beyond_a_limit_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(limits.InvalidOrderError, match="send it again"):
        ask(None, creation(**changed))


def test_the_largest_order_is_taken_and_then_takes_no_item() -> None:
    share = limits.MAX_TOTAL_MINOR // limits.MAX_ITEMS
    largest = after(ask(None, creation(items=(item(unit_price_minor=share),) * limits.MAX_ITEMS)))
    assert largest.total_minor == limits.MAX_TOTAL_MINOR
    with pytest.raises(limits.InvalidOrderError, match="items"):
        ask(largest, CHANGES[0])


def test_a_long_reason_is_cut_and_the_cancel_gets_through() -> None:
    cancelled = ask(PENDING, CancelOrder(order_id=ORDER_ID, reason="x" * 5_000))
    assert isinstance(cancelled, OrderCancelled)
    assert cancelled.reason == "x" * limits.MAX_TEXT


def test_every_refusal_names_its_rule() -> None:
    refusals: list[limits.OrderRefusedError] = [
        orders.OrderExistsError("why"),
        orders.UnknownOrderError("why"),
        orders.OrderEndedError("why"),
        orders.OrderOrchestratedError("why"),
        limits.InvalidOrderError("sku", "why"),
    ]
    assert len({refusal.code for refusal in refusals}) == len(refusals)


@pytest.mark.parametrize("order", [PENDING, *ENDED])
def test_a_voided_event_counts_as_a_version_and_changes_nothing_else(order: Order) -> None:
    voided = event(EventVoided, order.version + 1, status=order.status)
    assert evolve(order, voided) == replace(order, version=order.version + 1)


def test_a_stream_that_begins_late_is_no_order() -> None:
    with pytest.raises(ValueError, match="version 1"):
        evolve(None, event(ItemAdded, 2))


@given(st.lists(items, min_size=1, max_size=5), st.sampled_from([None, *CHANGES[1:]]))
def test_what_is_decided_is_what_the_order_becomes(lines: list[Item], end: Command | None) -> None:
    order = after(ask(None, creation(items=(lines[0],))))
    for line in lines[1:]:
        order = evolve(order, ask(order, AddItem(order_id=ORDER_ID, item=line)))
    if end is not None:
        order = evolve(order, ask(order, end))
    assert order.items == tuple(lines)
    assert order.total_minor == sum(line.total_minor for line in lines)
    assert order.version == len(lines) + (end is not None)
    assert order.status == {None: "pending", CHANGES[1]: "cancelled", CHANGES[2]: "confirmed"}[end]


@given(order_histories())
def test_all_events_of_an_order_correlate_to_its_creation(history: list[Event]) -> None:
    order = after(*history[:-1])
    for command in CHANGES:
        assert ask(order, command).correlation_id == history[0].correlation_id


@given(history=order_histories(), split=st.integers(0, 20))
def test_many_events_at_once_make_the_order_that_they_make_one_by_one(history: list[Event], split: int) -> None:
    before, later = history[:split], history[split:]
    order = evolve_all(None, before) if before else None
    assert (evolve_all(order, later) if later else order) == after(*history)
