"""The domain events: immutable facts, one class per Avro schema under `schemas/` (a test holds them equal).

Every event carries its envelope in the value. `version` is its position in its stream, from 1; each service keeps a
stream of its own per order. Money is integer minor units. `occurred_at` and `placed_at` are microseconds since the
epoch, UTC. The limits of a field stand in its type (`app.domain.fields`).
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from app.domain.fields import (
    MAX_ITEMS,
    Currency,
    Instant,
    Minor,
    Name,
    Quantity,
    Sealed,
    Status,
    Text,
    Uuid,
    Version,
)
from app.domain.fields import (
    Fulfilment as Fulfilment,
)
from app.domain.fields import (
    Micros as Micros,
)
from app.domain.fields import (
    RefusalCode as RefusalCode,
)


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of an order."""

    sku: Name
    quantity: Quantity
    unit_price_minor: Minor

    @property
    def total_minor(self) -> int:
        return self.quantity * self.unit_price_minor


Items: TypeAlias = Annotated[tuple[Item, ...], Meta(min_length=1, max_length=MAX_ITEMS)]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The envelope that all events share."""

    event_id: Uuid
    order_id: Uuid
    version: Version
    occurred_at: Instant
    correlation_id: Uuid
    causation_id: Uuid


class OrderCreated(Event, frozen=True, kw_only=True, gc=False):
    customer_id: Name
    currency: Currency
    reference: Text
    items: Items
    fulfilment: Fulfilment
    placed_at: Instant
    customer_name: Sealed = ""
    delivery_address: Sealed = ""


class ItemAdded(Event, frozen=True, kw_only=True, gc=False):
    customer_id: Name
    currency: Currency
    item: Item
    fulfilment: Fulfilment


class OrderConfirmed(Event, frozen=True, kw_only=True, gc=False):
    customer_id: Name
    currency: Currency
    total_minor: Minor


class OrderCancelled(Event, frozen=True, kw_only=True, gc=False):
    customer_id: Name
    reason: Text


class EventVoided(Event, frozen=True, kw_only=True, gc=False):
    """Stands in place of an event that could not be read, or was wrong: its version has passed, and nothing came of it.

    `status` is that of the order before it: where that had ended, nothing but more of these can follow.
    """

    reason: Text
    status: Status

    @property
    def is_after_end(self) -> bool:
        return self.status != "pending"


class Answer(Event, frozen=True, kw_only=True, gc=False):
    """An event of a service about one version of the order (`order_version`)."""

    order_version: Version


class PaymentCompleted(Answer, frozen=True, kw_only=True, gc=False):
    customer_id: Name
    currency: Currency
    amount_minor: Minor
    items: Items
    fulfilment: Fulfilment


class PaymentFailed(Answer, frozen=True, kw_only=True, gc=False):
    currency: Currency
    amount_minor: Minor
    reason: Text
    code: RefusalCode


class PaymentRefunded(Answer, frozen=True, kw_only=True, gc=False):
    currency: Currency
    amount_minor: Minor


class PaymentReserved(Answer, frozen=True, kw_only=True, gc=False):
    """The amount is held for the order: to be captured, or released."""

    currency: Currency
    amount_minor: Minor


class PaymentCaptured(Answer, frozen=True, kw_only=True, gc=False):
    currency: Currency
    amount_minor: Minor


class PaymentCaptureRefused(Answer, frozen=True, kw_only=True, gc=False):
    reason: Text
    code: RefusalCode


class PaymentReleased(Answer, frozen=True, kw_only=True, gc=False):
    """Nothing is held any more, if anything was."""


class PaymentReleaseRefused(Answer, frozen=True, kw_only=True, gc=False):
    reason: Text
    code: RefusalCode


class StockReserved(Answer, frozen=True, kw_only=True, gc=False):
    customer_id: Name
    items: Items
    fulfilment: Fulfilment


class StockRejected(Answer, frozen=True, kw_only=True, gc=False):
    sku: Text
    reason: Text
    code: RefusalCode


class StockReleased(Answer, frozen=True, kw_only=True, gc=False):
    pass


class StockVoided(Answer, frozen=True, kw_only=True, gc=False):
    """There was nothing to release, and nothing will be reserved."""


class StockReleaseRefused(Answer, frozen=True, kw_only=True, gc=False):
    reason: Text
    code: RefusalCode


class DeliveryScheduled(Answer, frozen=True, kw_only=True, gc=False):
    delivery_id: Name


class DeliveryRejected(Answer, frozen=True, kw_only=True, gc=False):
    reason: Text
    code: RefusalCode


class DeliveryCancelled(Answer, frozen=True, kw_only=True, gc=False):
    delivery_id: Name


class DeliveryVoided(Answer, frozen=True, kw_only=True, gc=False):
    """There was nothing to cancel, and nothing will be scheduled."""


class DeliveryCancelRefused(Answer, frozen=True, kw_only=True, gc=False):
    reason: Text
    code: RefusalCode


ORDERS: tuple[type[Event], ...] = (OrderCreated, ItemAdded, OrderConfirmed, OrderCancelled, EventVoided)
PAYMENTS: tuple[type[Event], ...] = (
    *(PaymentCompleted, PaymentFailed, PaymentRefunded),
    *(PaymentReserved, PaymentCaptured, PaymentCaptureRefused, PaymentReleased, PaymentReleaseRefused),
)
INVENTORY: tuple[type[Event], ...] = (
    *(StockReserved, StockRejected, StockReleased),
    *(StockVoided, StockReleaseRefused),
)
SHIPPING: tuple[type[Event], ...] = (
    *(DeliveryScheduled, DeliveryRejected, DeliveryCancelled),
    *(DeliveryVoided, DeliveryCancelRefused),
)
