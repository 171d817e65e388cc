"""Two orders of one line, one confirmed and one cancelled: their events, and what the views show of them."""

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from app.domain import events as e
from app.projections import customer_orders, daily_sales, order_summaries, product_demand
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import topic_of
from app.streaming.table import row_key
from app.web.moments import text

PEN = e.Item(sku="PEN/blue", quantity=2, unit_price_minor=150)
KEPT, UNDONE = str(uuid5(NAMESPACE_OID, "kept")), str(uuid5(NAMESPACE_OID, "undone"))
DAY, PLACED_AT = "2011-10-06", 1_317_914_400_000_000


def envelope(order_id: str, name: str, version: int) -> dict[str, Any]:
    event_id = str(uuid5(NAMESPACE_OID, f"{order_id} {name}"))
    facts = {"occurred_at": PLACED_AT, "correlation_id": order_id, "causation_id": event_id}
    return {"event_id": event_id, "order_id": order_id, "version": version, **facts}


def stored_events(order_id: str) -> list[e.Event]:
    """One version of two pens, then its outcome."""
    created = e.OrderCreated(
        **envelope(order_id, "created", 1),
        customer_id="17850",
        currency="GBP",
        reference="R1",
        items=(PEN,),
        fulfilment="choreography",
        placed_at=PLACED_AT,
    )
    if order_id == KEPT:
        outcome = envelope(order_id, "confirmed", 2)
        return [created, e.OrderConfirmed(**outcome, customer_id="17850", currency="GBP", total_minor=300)]
    return [created, e.OrderCancelled(**envelope(order_id, "cancelled", 2), customer_id="17850", reason="customer")]


def answers(order_id: str, delivery_id: str) -> list[e.Event]:
    """What the services told of the order's one version."""
    version: dict[str, Any] = {"order_version": 1}
    paid: dict[str, Any] = {**version, "currency": "GBP", "amount_minor": 300}
    more: dict[str, Any] = {"customer_id": "17850", "items": (PEN,), "fulfilment": "choreography"}
    done: list[e.Event] = [
        e.PaymentCompleted(**envelope(order_id, "paid", 1), **paid, **more),
        e.StockReserved(**envelope(order_id, "reserved", 1), **version, **more),
        e.DeliveryScheduled(**envelope(order_id, "scheduled", 1), **version, delivery_id=delivery_id),
    ]
    undone: list[e.Event] = [
        e.PaymentRefunded(**envelope(order_id, "refunded", 2), **paid),
        e.StockReleased(**envelope(order_id, "released", 2), **version),
        e.DeliveryCancelled(**envelope(order_id, "undelivered", 2), **version, delivery_id=delivery_id),
    ]
    return done if order_id == KEPT else [*done, *undone]


def encoded(event: e.Event) -> bytes:
    return event_codec(committed_registry(), topic_of(type(event))).encode(event)


def stored_rows(events: Iterable[e.Event]) -> dict[tuple[str, bytes], bytes]:
    """The rows of `order-views` by table and key, as its changelogs hold them."""
    found: dict[tuple[str, bytes], Any] = {}
    for event in events:
        key = "order_summaries", row_key((event.order_id,))
        old, new = found.get(key), order_summaries.fold(found.get(key), event)
        assert new is not None
        found[key] = new
        for projection in (customer_orders, daily_sales, product_demand):
            table = projection.__name__.rpartition(".")[2]
            changes: Iterable[Any] = projection.changes(old, new)
            for change in changes:
                of_change = table, row_key(projection.key(change))
                found[of_change] = projection.fold(found.get(of_change), change)
    return {key: msgspec.msgpack.encode(row) for key, row in found.items()}


def served_rows(delivery_ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the views show of the two orders, written out by hand."""
    listed = {"reference": "R1", "currency": "GBP", "total_minor": 300, "placed_at": text(PLACED_AT)}
    shared = {**listed, "customer_id": "17850", "item_count": 2, "lines": [{"sku": PEN.sku, "quantity": 2}]}
    shared |= {"version": 2, "charged_minor": 300, "reserved_versions": [1], "position": {}, "lag": 0}
    kept: dict[str, Any] = {
        "status": "confirmed",
        "reason": None,
        "refunded_minor": 0,
        "released_versions": [],
        "delivery": "scheduled",
    }
    undone = {"status": "cancelled", "reason": "customer", "refunded_minor": 300, "released_versions": [1]}
    orders = [{"order_id": KEPT, "status": "confirmed"}, {"order_id": UNDONE, "status": "cancelled"}]
    of_day = {"day": DAY, "currency": "GBP", "orders": 2, "total_minor": 600, "confirmed_orders": 1}
    of_day |= {"confirmed_total_minor": 300, "cancelled_orders": 1, "cancelled_total_minor": 300}
    demand = {"sku": PEN.sku, "orders": 2, "ordered_quantity": 4, "confirmed_quantity": 2, "cancelled_quantity": 2}
    return {
        f"/views/orders/{KEPT}": {**shared, **kept, "order_id": KEPT, "delivery_id": delivery_ids[KEPT]},
        f"/views/orders/{UNDONE}": {
            **shared,
            **undone,
            "order_id": UNDONE,
            "delivery": "cancelled",
            "delivery_id": delivery_ids[UNDONE],
        },
        "/views/customers/17850/orders": {
            "customer_id": "17850",
            "orders": [{**listed, **order} for order in sorted(orders, key=lambda order: order["order_id"])],
        },
        f"/views/sales/{DAY}?currency=GBP": of_day,
        "/views/products/PEN%2Fblue/demand": demand,
        **served_books(),
    }


def served_books() -> dict[str, dict[str, Any]]:
    shared = {"charged_minor": 300, "reserved_minor": 0, "captured_minor": 0, "released_minor": 0, "held_minor": 0}
    kept = {"outcome": "confirmed", "refunded_minor": 0, "paid_minor": 300, "kept": 2, "settled": True}
    undone = {"outcome": "cancelled", "refunded_minor": 300, "paid_minor": 0, "kept": 0, "settled": True}
    return {
        f"/views/reconciliation/orders/{KEPT}": {"order_id": KEPT, **shared, **kept},
        f"/views/reconciliation/orders/{UNDONE}": {"order_id": UNDONE, **shared, **undone},
        "/views/reconciliation/products/PEN%2Fblue": {"sku": PEN.sku, "reserved": 4, "released": 2, "kept": 2},
    }
