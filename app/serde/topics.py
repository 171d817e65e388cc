"""Binds every topic to the events that it carries: the one table of them."""

from app.domain import events
from app.domain.events import Event

ORDERS_EVENTS = "orders.events"
PAYMENTS_EVENTS = "payments.events"
INVENTORY_EVENTS = "inventory.events"
SHIPPING_EVENTS = "shipping.events"

EVENT_TYPES: dict[str, tuple[type[Event], ...]] = {
    ORDERS_EVENTS: events.ORDERS,
    PAYMENTS_EVENTS: events.PAYMENTS,
    INVENTORY_EVENTS: events.INVENTORY,
    SHIPPING_EVENTS: events.SHIPPING,
}

_TOPICS = {event_type: topic for topic, types in EVENT_TYPES.items() for event_type in types}


def topic_of(event_type: type[Event]) -> str:
    """The only topic that carries this type."""
    return _TOPICS[event_type]


def full_name(event_type: type[Event]) -> str:
    """The name of its Avro record: `orderflow.orders.OrderCreated`."""
    service = topic_of(event_type).removesuffix(".events")
    return f"orderflow.{service}.{event_type.__name__}"


def subject_of(event_type: type[Event]) -> str:
    """TopicRecordName: `orders.events-orderflow.orders.OrderCreated`."""
    return f"{topic_of(event_type)}-{full_name(event_type)}"
