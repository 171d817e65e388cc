"""Binds every topic to the events or commands that it carries: the one table of them."""

from app.domain import events, requests
from app.domain.events import Event

ORDERS_EVENTS = "orders.events"
PAYMENTS_EVENTS = "payments.events"
INVENTORY_EVENTS = "inventory.events"
SHIPPING_EVENTS = "shipping.events"
PAYMENTS_COMMANDS = "payments.commands"
INVENTORY_COMMANDS = "inventory.commands"
SHIPPING_COMMANDS = "shipping.commands"
FULFILMENT_COMMANDS = "fulfilment.commands"

EVENT_TYPES: dict[str, tuple[type[Event], ...]] = {
    ORDERS_EVENTS: events.ORDERS,
    PAYMENTS_EVENTS: events.PAYMENTS,
    INVENTORY_EVENTS: events.INVENTORY,
    SHIPPING_EVENTS: events.SHIPPING,
    PAYMENTS_COMMANDS: (*requests.TO_PAYMENTS, requests.SettleRefund),
    INVENTORY_COMMANDS: (*requests.TO_INVENTORY, requests.SettleStock),
    SHIPPING_COMMANDS: (*requests.TO_SHIPPING, requests.SettleDelivery),
    FULFILMENT_COMMANDS: requests.TO_FULFILMENT,
}

_OF_OPERATORS = {*requests.TO_FULFILMENT, *requests.SETTLEMENTS}
_TOPICS = {event_type: topic for topic, types in EVENT_TYPES.items() for event_type in types}


def topic_of(event_type: type[Event]) -> str:
    """The only topic that carries this type."""
    return _TOPICS[event_type]


def source_of(event_type: type[Event]) -> str:
    """The service that says so: commands are the saga's, or an operator's."""
    service, _, kind = topic_of(event_type).partition(".")
    if kind == "commands":
        return "operator" if event_type in _OF_OPERATORS else "fulfilment"
    return service


def full_name(event_type: type[Event]) -> str:
    """The name of its Avro record: `orderflow.orders.OrderCreated`."""
    service = topic_of(event_type).partition(".")[0]
    return f"orderflow.{service}.{event_type.__name__}"


def subject_of(event_type: type[Event]) -> str:
    """TopicRecordName: `orders.events-orderflow.orders.OrderCreated`."""
    return f"{topic_of(event_type)}-{full_name(event_type)}"
