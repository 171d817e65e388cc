"""The row of an order is what its events say, in whatever order the topics are read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import (
    INVENTORY,
    ORDERS,
    PAYMENTS,
    SHIPPING,
    DeliveryCancelled,
    DeliveryRejected,
    DeliveryScheduled,
    Event,
    Item,
    ItemAdded,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCompleted,
    PaymentRefunded,
    StockReleased,
    StockReserved,
)
from app.domain.streams import VersionGapError
from app.projections.order_summaries import Line, OrderSummary, fold, packed, unpacked
from tests.unit.choreography import Choreography, choreographies, standing
from tests.unit.order_events import CUSTOMER_ID, ORDER_ID, PLACED_AT, SEALED_ADDRESS, SEALED_NAME, event, interleavings


def summary(events: list[Event]) -> OrderSummary:
    row = None
    for each in events:
        row = fold(row, each)
    assert row is not None
    return row


def test_a_created_order_shows_its_lines_and_total() -> None:
    lines = (
        Item(sku="apple", quantity=2, unit_price_minor=150),
        Item(sku="apple", quantity=1, unit_price_minor=50),
    )
    row = summary([event(OrderCreated, 1, items=lines)])
    assert row == OrderSummary(
        ORDER_ID,
        version=1,
        customer_id=CUSTOMER_ID,
        reference="R-1",
        status="pending",
        currency="GBP",
        total_minor=350,
        item_count=3,
        lines=packed(*lines),
        placed_at=PLACED_AT,
        customer_name=SEALED_NAME,
        delivery_address=SEALED_ADDRESS,
    )


def test_an_added_item_adds_to_lines_and_total() -> None:
    plum = Item(sku="plum", quantity=3, unit_price_minor=20)
    row = summary([event(OrderCreated, 1), event(ItemAdded, 2, item=plum)])
    assert (row.total_minor, row.item_count, unpacked(row.lines)[-1]) == (360, 5, Line("plum", 3))


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (event(OrderConfirmed, 2), "confirmed", None),
        (event(OrderCancelled, 2, reason="too late"), "cancelled", "too late"),
    ],
)
def test_an_ended_order_keeps_its_total(end: Event, status: str, reason: str | None) -> None:
    row = summary([event(OrderCreated, 1), end])
    assert (row.status, row.reason, row.total_minor) == (status, reason, 300)


def test_money_and_stock_come_and_go_by_version() -> None:
    row = summary(
        [
            event(PaymentCompleted, 1, amount_minor=300),
            event(PaymentCompleted, 2, amount_minor=60, order_version=2),
            event(PaymentRefunded, 3, amount_minor=300),
            event(StockReserved, 1),
            event(StockReserved, 2, order_version=2),
            event(StockReleased, 3, order_version=2),
        ]
    )
    assert (row.charged_minor, row.refunded_minor) == (360, 300)
    assert (row.reserved_versions, row.released_versions) == ((1, 2), (2,))


def test_a_delivery_is_shown_as_it_was_last_told() -> None:
    scheduled = event(DeliveryScheduled, 1, delivery_id="delivery-7")
    assert summary([event(OrderCreated, 1)]).delivery == "none"
    assert summary([event(DeliveryRejected, 1)]).delivery == "rejected"
    row = summary([scheduled])
    assert (row.delivery, row.delivery_id) == ("scheduled", "delivery-7")
    assert summary([scheduled, event(DeliveryCancelled, 2, delivery_id="delivery-7")]).delivery == "cancelled"


@pytest.mark.parametrize("kind", [*PAYMENTS, *INVENTORY, *SHIPPING])
def test_an_order_is_not_there_before_it_was_created(kind: type[Event]) -> None:
    row = summary([event(kind, 1)])
    assert not row.exists
    created = fold(row, event(OrderCreated, 1))
    assert created is not None
    assert created.exists


@pytest.mark.parametrize("kind", [*ORDERS, *PAYMENTS, *INVENTORY, *SHIPPING])
def test_a_seen_event_changes_nothing_and_a_gap_is_refused(kind: type[Event]) -> None:
    row = summary([event(kind, 1)])
    assert fold(row, event(kind, 1)) is None
    with pytest.raises(VersionGapError):
        fold(row, event(kind, 3))


@given(choreographies, st.data())
def test_the_row_does_not_depend_on_the_order_between_topics(system: Choreography, data: st.DataObject) -> None:
    topics = list(system.topics.values())
    row = summary([each for topic in topics for each in topic])
    assert summary(data.draw(interleavings(topics))) == row
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=OrderSummary) == row


@given(choreographies)
def test_the_row_tells_what_stands_outside(system: Choreography) -> None:
    row, order = summary([each for topic in system.topics.values() for each in topic]), system.world.order
    assert order is not None
    assert (row.status, row.total_minor, row.version) == (order.status, order.total_minor, order.version)
    assert unpacked(row.lines) == [Line(item.sku, item.quantity) for item in order.items]
    assert row.charged_minor - row.refunded_minor == sum(system.world.provider.standing.values())
    assert set(row.reserved_versions) - set(row.released_versions) == set(system.world.warehouse.standing)
    assert (row.delivery == "scheduled") == bool(standing(system.topics["shipping"]))


def test_a_row_stored_before_there_was_personal_data_is_read() -> None:
    row = summary([event(OrderCreated, 1, customer_name="", delivery_address="")])
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(row))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(stored[:-2]), type=OrderSummary) == row
