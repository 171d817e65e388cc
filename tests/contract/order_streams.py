"""Streams of order events as a store would be given them: every event new, every version in its place."""

from uuid import uuid4

from app.domain.events import Event, Item, ItemAdded, OrderCreated
from app.domain.streams import Envelope

ITEM = Item(sku="85123A", quantity=6, unit_price_minor=255)


def created(order_id: str) -> Event:
    return OrderCreated(
        **envelope(order_id, 1),
        customer_id="12923",
        currency="GBP",
        reference="569901",
        items=(ITEM,),
        fulfilment="choreography",
        placed_at=1_317_914_400_000_000,
    )


def added(order_id: str, version: int) -> Event:
    order = envelope(order_id, version)
    return ItemAdded(**order, customer_id="12923", currency="GBP", item=ITEM, fulfilment="choreography")


def history(order_id: str, first: int, last: int) -> list[Event]:
    return [created(order_id) if version == 1 else added(order_id, version) for version in range(first, last + 1)]


def envelope(order_id: str, version: int) -> Envelope:
    identity = str(uuid4())
    return {
        "event_id": identity,
        "order_id": order_id,
        "version": version,
        "occurred_at": 1_317_914_400_123_456,
        "correlation_id": identity,
        "causation_id": identity,
    }
