"""The domain events: immutable facts, one class per Avro schema under `schemas/` (a test holds them equal).

Every event carries its envelope in the value. `version` is its position in its stream, from 1; each service keeps a
stream of its own per order. Money is integer minor units. `occurred_at` and `placed_at` are microseconds since the
epoch, UTC.
"""

from typing import Literal, TypeAlias

import msgspec

Micros: TypeAlias = int
Fulfilment: TypeAlias = Literal["choreography", "orchestration"]


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of an order."""

    sku: str
    quantity: int
    unit_price_minor: int

    @property
    def total_minor(self) -> int:
        return self.quantity * self.unit_price_minor


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The envelope that all events share."""

    event_id: str
    order_id: str
    version: int
    occurred_at: Micros
    correlation_id: str
    causation_id: str


class OrderCreated(Event, frozen=True, kw_only=True, gc=False):
    customer_id: str
    currency: str
    reference: str
    items: tuple[Item, ...]
    fulfilment: Fulfilment
    placed_at: Micros


class ItemAdded(Event, frozen=True, kw_only=True, gc=False):
    customer_id: str
    currency: str
    item: Item
    fulfilment: Fulfilment


class OrderConfirmed(Event, frozen=True, kw_only=True, gc=False):
    customer_id: str
    currency: str
    total_minor: int


class OrderCancelled(Event, frozen=True, kw_only=True, gc=False):
    customer_id: str
    reason: str


class Answer(Event, frozen=True, kw_only=True, gc=False):
    """An event of a service about one version of the order (`order_version`)."""

    order_version: int


class PaymentCompleted(Answer, frozen=True, kw_only=True, gc=False):
    customer_id: str
    currency: str
    amount_minor: int
    items: tuple[Item, ...]
    fulfilment: Fulfilment


class PaymentFailed(Answer, frozen=True, kw_only=True, gc=False):
    currency: str
    amount_minor: int
    reason: str


class PaymentRefunded(Answer, frozen=True, kw_only=True, gc=False):
    currency: str
    amount_minor: int


class StockReserved(Answer, frozen=True, kw_only=True, gc=False):
    customer_id: str
    items: tuple[Item, ...]
    fulfilment: Fulfilment


class StockRejected(Answer, frozen=True, kw_only=True, gc=False):
    sku: str
    reason: str


class StockReleased(Answer, frozen=True, kw_only=True, gc=False):
    pass


class DeliveryScheduled(Answer, frozen=True, kw_only=True, gc=False):
    delivery_id: str


class DeliveryRejected(Answer, frozen=True, kw_only=True, gc=False):
    reason: str


class DeliveryCancelled(Answer, frozen=True, kw_only=True, gc=False):
    delivery_id: str


ORDERS: tuple[type[Event], ...] = (OrderCreated, ItemAdded, OrderConfirmed, OrderCancelled)
PAYMENTS: tuple[type[Event], ...] = (PaymentCompleted, PaymentFailed, PaymentRefunded)
INVENTORY: tuple[type[Event], ...] = (StockReserved, StockRejected, StockReleased)
SHIPPING: tuple[type[Event], ...] = (DeliveryScheduled, DeliveryRejected, DeliveryCancelled)
