"""Decides what becomes of an order: from commands to events, and from events to its state."""

from collections.abc import Sequence
from typing import TypeAlias, assert_never

import msgspec
from msgspec.structs import replace

from app.domain.events import (
    Event,
    EventVoided,
    Fulfilment,
    Item,
    ItemAdded,
    Micros,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
)
from app.domain.fields import Status
from app.domain.limits import MAX_TEXT, OrderRefusedError, check_header, check_items
from app.domain.streams import Envelope, envelope


class OrderExistsError(OrderRefusedError):
    code = "ORDER_EXISTS"


class UnknownOrderError(OrderRefusedError):
    code = "ORDER_UNKNOWN"


class OrderEndedError(OrderRefusedError):
    """A confirmed or cancelled order takes neither items nor an end."""

    code = "ORDER_ENDED"


class OrderOrchestratedError(OrderRefusedError):
    """An orchestrated order takes no more items."""

    code = "ORDER_ORCHESTRATED"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its first `version` events have made it; name and address are sealed."""

    order_id: str
    version: int
    customer_id: str
    currency: str
    reference: str
    status: Status
    fulfilment: Fulfilment
    items: tuple[Item, ...]
    total_minor: int
    placed_at: Micros
    reason: str
    correlation_id: str
    customer_name: str
    delivery_address: str


class CreateOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a new order, placed now unless `placed_at` says when; name and address are sealed before."""

    order_id: str
    customer_id: str
    currency: str
    items: tuple[Item, ...]
    reference: str = ""
    fulfilment: Fulfilment = "choreography"
    placed_at: Micros | None = None
    customer_name: str = ""
    delivery_address: str = ""


class AddItem(msgspec.Struct, frozen=True, kw_only=True):
    order_id: str
    item: Item


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A reason of more than `MAX_TEXT` characters is cut, never refused: a cancel must get through."""

    order_id: str
    reason: str


class ConfirmOrder(msgspec.Struct, frozen=True, kw_only=True):
    order_id: str


Command: TypeAlias = CreateOrder | AddItem | CancelOrder | ConfirmOrder


def evolve(order: Order | None, event: Event) -> Order:
    """The order after its next event; the first one is `OrderCreated`."""
    if isinstance(event, OrderCreated):
        return _created(event)
    if order is None:
        raise ValueError(f"order {event.order_id} begins with {type(event).__name__}; read its stream from version 1")
    match event:
        case ItemAdded(item=item):
            total_minor = order.total_minor + item.total_minor
            return replace(order, version=event.version, items=(*order.items, item), total_minor=total_minor)
        case OrderConfirmed():
            return replace(order, version=event.version, status="confirmed")
        case OrderCancelled():
            return replace(order, version=event.version, status="cancelled", reason=event.reason)
        case EventVoided():
            return replace(order, version=event.version)
        case _:
            raise TypeError(f"{type(event).__name__} is not an event of orders")


def evolve_all(order: Order | None, events: Sequence[Event]) -> Order:
    """The order after these events, of which there is at least one, as `evolve` makes it.

    Items that follow each other are added at once: each by itself would copy all those before it.
    """
    order = evolve(order, events[0])
    added: list[ItemAdded] = []
    for event in events[1:]:
        if isinstance(event, ItemAdded):
            added.append(event)
        else:
            order = evolve(_with(order, added), event)
            added = []
    return _with(order, added)


def _with(order: Order, added: Sequence[ItemAdded]) -> Order:
    if not added:
        return order
    items = tuple([event.item for event in added])
    total_minor = order.total_minor + sum([item.total_minor for item in items])
    return replace(order, version=added[-1].version, items=order.items + items, total_minor=total_minor)


def decide(order: Order | None, command: Command, *, causation_id: str, now: Micros) -> tuple[Event, ...]:
    """The events that the command leads to; raises an `OrderRefusedError` when the rules refuse it.

    `causation_id` is the UUID of what asks: the command's own, or that of the event a saga reacts to. The same one
    leads to the same event ids. All events of an order correlate to the command that created it.
    """
    if isinstance(command, CreateOrder):
        return (_create(order, command, causation_id, now),)
    if order is None:
        raise UnknownOrderError(f"there is no order {command.order_id}; create it first")
    if order.status != "pending":
        raise OrderEndedError(f"order {order.order_id} is {order.status}; place a new order instead")
    match command:
        case AddItem():
            return (_add_item(order, command.item, causation_id, now),)
        case CancelOrder():
            return (_cancel(order, command.reason, causation_id, now),)
        case ConfirmOrder():
            return (_confirm(order, causation_id, now),)
        case _:
            assert_never(command)


def _created(event: OrderCreated) -> Order:
    return Order(
        order_id=event.order_id,
        version=event.version,
        customer_id=event.customer_id,
        currency=event.currency,
        reference=event.reference,
        status="pending",
        fulfilment=event.fulfilment,
        items=event.items,
        total_minor=sum(item.total_minor for item in event.items),
        placed_at=event.placed_at,
        reason="",
        correlation_id=event.correlation_id,
        customer_name=event.customer_name,
        delivery_address=event.delivery_address,
    )


def _create(order: Order | None, command: CreateOrder, causation_id: str, now: Micros) -> OrderCreated:
    if order is not None:
        raise OrderExistsError(f"order {order.order_id} exists already; choose another id")
    placed_at = now if command.placed_at is None else command.placed_at
    total_minor = sum(item.total_minor for item in command.items)
    check_header(command.order_id, command.customer_id, command.currency, command.reference, placed_at)
    check_items(command.items, count=len(command.items), total_minor=total_minor)
    return OrderCreated(
        **envelope(
            "OrderCreated", command.order_id, 1, causation_id=causation_id, correlation_id=causation_id, now=now
        ),
        customer_id=command.customer_id,
        currency=command.currency,
        reference=command.reference,
        items=command.items,
        fulfilment=command.fulfilment,
        placed_at=placed_at,
        customer_name=command.customer_name,
        delivery_address=command.delivery_address,
    )


def _add_item(order: Order, item: Item, causation_id: str, now: Micros) -> ItemAdded:
    if order.fulfilment == "orchestration":
        raise OrderOrchestratedError(f"order {order.order_id} is orchestrated; place another order for the item")
    check_items((item,), count=len(order.items) + 1, total_minor=order.total_minor + item.total_minor)
    return ItemAdded(
        **_next(order, "ItemAdded", causation_id, now),
        customer_id=order.customer_id,
        currency=order.currency,
        item=item,
        fulfilment=order.fulfilment,
    )


def _cancel(order: Order, reason: str, causation_id: str, now: Micros) -> OrderCancelled:
    return OrderCancelled(
        **_next(order, "OrderCancelled", causation_id, now),
        customer_id=order.customer_id,
        reason=reason[:MAX_TEXT],
    )


def _confirm(order: Order, causation_id: str, now: Micros) -> OrderConfirmed:
    return OrderConfirmed(
        **_next(order, "OrderConfirmed", causation_id, now),
        customer_id=order.customer_id,
        currency=order.currency,
        total_minor=order.total_minor,
    )


def _next(order: Order, name: str, causation_id: str, now: Micros) -> Envelope:
    return envelope(
        name,
        order.order_id,
        order.version + 1,
        causation_id=causation_id,
        correlation_id=order.correlation_id,
        now=now,
    )
