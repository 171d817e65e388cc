"""One row per order: what all topics have told of it. Everything else that is shown of orders derives from this row."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from msgspec import Struct
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from app.domain.events import (
    DeliveryCancelled,
    DeliveryCancelRefused,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryVoided,
    Event,
    EventVoided,
    Item,
    ItemAdded,
    Micros,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCaptured,
    PaymentCaptureRefused,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PaymentReleased,
    PaymentReleaseRefused,
    PaymentReserved,
    StockRejected,
    StockReleased,
    StockReleaseRefused,
    StockReserved,
    StockVoided,
)
from app.domain.fields import Status
from app.domain.streams import is_next

Delivery: TypeAlias = Literal["none", "scheduled", "rejected", "cancelled"]


class Line(Struct, frozen=True, array_like=True, gc=False):
    sku: str
    quantity: int


# Lines as a row holds them: a JSON array each, a line of text each. What is ever appended to and seldom looked at costs
# a row one object, however many there are.
Lines: TypeAlias = bytes

_write_lines = Encoder().encode_lines
_read_lines = Decoder(Line).decode_lines


def packed(*items: Item) -> Lines:
    return _write_lines([(item.sku, item.quantity) for item in items])


def unpacked(lines: Lines) -> list[Line]:
    return _read_lines(lines)


class OrderSummary(Struct, frozen=True, array_like=True, gc=False):
    """One part per source, each with its version guard: there is no order between topics."""

    order_id: str

    version: int = 0
    customer_id: str = ""
    reference: str = ""
    status: Status = "pending"
    currency: str = ""
    total_minor: int = 0
    item_count: int = 0
    lines: Lines = b""
    placed_at: Micros | None = None
    reason: str | None = None

    payments: int = 0
    charged_minor: int = 0
    refunded_minor: int = 0

    inventory: int = 0
    reserved_versions: tuple[int, ...] = ()
    released_versions: tuple[int, ...] = ()

    shipping: int = 0
    delivery: Delivery = "none"
    delivery_id: str | None = None

    # of `OrderCreated` too, and sealed: last, for rows were stored before there were any
    customer_name: str = ""
    delivery_address: str = ""

    @property
    def exists(self) -> bool:
        """Whether `OrderCreated` was seen; before that the row is not shown."""
        return self.placed_at is not None


def fold(row: OrderSummary | None, event: Event) -> OrderSummary | None:
    """The row after the event; None when the event was seen before. Raises `VersionGapError`."""
    seen, apply = _RULES[type(event)]
    if row is None:
        row = OrderSummary(event.order_id)
    if not is_next(seen(row), event):
        return None
    return apply(row, event)


def _created(row: OrderSummary, event: OrderCreated) -> OrderSummary:
    total_minor = item_count = 0
    for item in event.items:
        item_count += item.quantity
        total_minor += item.quantity * item.unit_price_minor
    return replace(
        row,
        version=event.version,
        customer_id=event.customer_id,
        reference=event.reference,
        currency=event.currency,
        total_minor=total_minor,
        item_count=item_count,
        lines=packed(*event.items),
        placed_at=event.placed_at,
        customer_name=event.customer_name,
        delivery_address=event.delivery_address,
    )


def _item_added(row: OrderSummary, event: ItemAdded) -> OrderSummary:
    item = event.item
    return replace(
        row,
        version=event.version,
        total_minor=row.total_minor + item.quantity * item.unit_price_minor,
        item_count=row.item_count + item.quantity,
        lines=row.lines + packed(item),
    )


def _confirmed(row: OrderSummary, event: OrderConfirmed) -> OrderSummary:
    return replace(row, version=event.version, status="confirmed")


def _cancelled(row: OrderSummary, event: OrderCancelled) -> OrderSummary:
    return replace(row, version=event.version, status="cancelled", reason=event.reason)


def _passed(row: OrderSummary, event: EventVoided) -> OrderSummary:
    return replace(row, version=event.version)


def _charged(row: OrderSummary, event: PaymentCompleted | PaymentCaptured) -> OrderSummary:
    return replace(row, payments=event.version, charged_minor=row.charged_minor + event.amount_minor)


def _not_charged(row: OrderSummary, event: Event) -> OrderSummary:
    """What is only held was not charged."""
    return replace(row, payments=event.version)


def _payment_refunded(row: OrderSummary, event: PaymentRefunded) -> OrderSummary:
    return replace(row, payments=event.version, refunded_minor=row.refunded_minor + event.amount_minor)


def _stock_reserved(row: OrderSummary, event: StockReserved) -> OrderSummary:
    return replace(row, inventory=event.version, reserved_versions=(*row.reserved_versions, event.order_version))


def _not_reserved(row: OrderSummary, event: Event) -> OrderSummary:
    return replace(row, inventory=event.version)


def _stock_released(row: OrderSummary, event: StockReleased) -> OrderSummary:
    return replace(row, inventory=event.version, released_versions=(*row.released_versions, event.order_version))


def _delivery_scheduled(row: OrderSummary, event: DeliveryScheduled) -> OrderSummary:
    return replace(row, shipping=event.version, delivery="scheduled", delivery_id=event.delivery_id)


def _delivery_rejected(row: OrderSummary, event: DeliveryRejected) -> OrderSummary:
    return replace(row, shipping=event.version, delivery="rejected")


def _delivery_cancelled(row: OrderSummary, event: DeliveryCancelled) -> OrderSummary:
    return replace(row, shipping=event.version, delivery="cancelled", delivery_id=event.delivery_id)


def _delivery_as_it_was(row: OrderSummary, event: Event) -> OrderSummary:
    return replace(row, shipping=event.version)


_ORDERS: Callable[[OrderSummary], int] = attrgetter("version")
_PAYMENTS: Callable[[OrderSummary], int] = attrgetter("payments")
_INVENTORY: Callable[[OrderSummary], int] = attrgetter("inventory")
_SHIPPING: Callable[[OrderSummary], int] = attrgetter("shipping")

# How each event finds its guard, and what it changes.
_RULES: dict[type[Event], tuple[Callable[[OrderSummary], int], Callable[[OrderSummary, Any], OrderSummary]]] = {
    OrderCreated: (_ORDERS, _created),
    ItemAdded: (_ORDERS, _item_added),
    OrderConfirmed: (_ORDERS, _confirmed),
    OrderCancelled: (_ORDERS, _cancelled),
    EventVoided: (_ORDERS, _passed),
    PaymentCompleted: (_PAYMENTS, _charged),
    PaymentFailed: (_PAYMENTS, _not_charged),
    PaymentRefunded: (_PAYMENTS, _payment_refunded),
    PaymentReserved: (_PAYMENTS, _not_charged),
    PaymentCaptured: (_PAYMENTS, _charged),
    PaymentCaptureRefused: (_PAYMENTS, _not_charged),
    PaymentReleased: (_PAYMENTS, _not_charged),
    PaymentReleaseRefused: (_PAYMENTS, _not_charged),
    StockReserved: (_INVENTORY, _stock_reserved),
    StockRejected: (_INVENTORY, _not_reserved),
    StockReleased: (_INVENTORY, _stock_released),
    StockVoided: (_INVENTORY, _not_reserved),
    StockReleaseRefused: (_INVENTORY, _not_reserved),
    DeliveryScheduled: (_SHIPPING, _delivery_scheduled),
    DeliveryRejected: (_SHIPPING, _delivery_rejected),
    DeliveryCancelled: (_SHIPPING, _delivery_cancelled),
    DeliveryVoided: (_SHIPPING, _delivery_as_it_was),
    DeliveryCancelRefused: (_SHIPPING, _delivery_as_it_was),
}
