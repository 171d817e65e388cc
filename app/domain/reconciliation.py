"""Keeps the books of each order and of each product from what the services say, and tells of an order that stays open.

An order is settled when its money and its stock are as it ended. What comes after a cancel is undone in time; what is
not, within the deadline, is told once. Its rules are those of a reaction without a gateway: see `app.domain.step`.
"""

from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from app.domain.events import (
    Event,
    Item,
    ItemAdded,
    Micros,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCaptured,
    PaymentCompleted,
    PaymentRefunded,
    PaymentReleased,
    PaymentReserved,
    StockReleased,
    StockReserved,
)
from app.domain.step import Timer
from app.domain.streams import is_new, noted, timer_after

SETTLE = "settle"
DEADLINE_S = 900

Outcome: TypeAlias = Literal["pending", "confirmed", "cancelled"]


class Kept(Struct, frozen=True, array_like=True, gc=False):
    """What is reserved of a product for one version of the order."""

    order_version: int
    sku: str
    quantity: int


class OrderBooks(Struct, frozen=True, array_like=True, gc=False, tag="order"):
    """What the events say of one order. `reserved_minor` was set aside, and then captured or released."""

    orders: int = 0  # newest versions seen of the topics
    payments: int = 0
    inventory: int = 0
    outcome: Outcome = "pending"
    total_minor: int = 0
    ordered: int = 0
    charged_minor: int = 0
    reserved_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    released_minor: int = 0
    kept: tuple[Kept, ...] = ()
    waits: bool = False  # it is to be settled by a deadline, or was told not to be

    @property
    def paid_minor(self) -> int:
        return self.charged_minor + self.captured_minor - self.refunded_minor

    @property
    def held_minor(self) -> int:
        return self.reserved_minor - self.captured_minor - self.released_minor

    @property
    def kept_quantity(self) -> int:
        return sum([kept.quantity for kept in self.kept])

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be paid, given back, reserved or released, as far as is known."""
        if self.outcome == "pending":
            return True
        due = (self.total_minor, 0, self.ordered) if self.outcome == "confirmed" else (0, 0, 0)
        return (self.paid_minor, self.held_minor, self.kept_quantity) == due


class ProductBooks(Struct, frozen=True, array_like=True, gc=False, tag="product"):
    """How much of one product was ever reserved and released."""

    reserved: int = 0
    released: int = 0


Books: TypeAlias = OrderBooks | ProductBooks


class StockMoved(Struct, frozen=True, array_like=True, gc=False):
    """What to add to the books of a product."""

    sku: str
    reserved: int = 0
    released: int = 0


class Unsettled(Struct, frozen=True, kw_only=True):
    """An order has ended, and its money or stock is not as it ended though the deadline has passed."""

    order_id: str
    books: OrderBooks
    at: Micros


class Entry(Struct, frozen=True):
    """What follows from one cause, as in `app.domain.step.Step`; its events are changes of other books."""

    row: Books | None = None
    events: tuple[StockMoved, ...] = ()
    timers: tuple[Timer, ...] = ()
    call: None = None
    revoked: tuple[str, ...] = ()
    failures: tuple[Unsettled, ...] = ()


def product_key(sku: str) -> str:
    """The key of a product's books, which is no order's."""
    return f"product:{sku}"


def begin(row: Books | None, cause: Event | StockMoved | Timer, now: Micros) -> Entry:
    if isinstance(cause, StockMoved):
        return Entry(row=_moved(row, cause))
    if isinstance(row, ProductBooks):
        raise TypeError(f"{type(cause).__name__} is about an order, and these are the books of a product")
    known = row or OrderBooks()
    if isinstance(cause, Timer):
        return Entry() if known.settled else Entry(failures=(Unsettled(order_id=cause.key, books=known, at=now),))
    if not is_new(known, cause):
        return Entry()
    told, moved = _told(noted(known, cause), cause)
    if told.settled:
        return Entry(replace(told, waits=False), moved, revoked=(SETTLE,) if told.waits else ())
    timers = () if told.waits else (timer_after(cause, SETTLE, DEADLINE_S, now),)
    return Entry(replace(told, waits=True), moved, timers)


def conclude(row: Books | None, cause: object, call: object, answer: object, now: Micros) -> Entry:
    raise TypeError("books call nobody")


def exhausted(row: Books | None, cause: object, call: object, now: Micros) -> Entry:
    raise TypeError("books call nobody")


def abandoned(cause: object, call: object, error: str, now: Micros) -> tuple[Unsettled, ...]:
    raise TypeError("books call nobody")


def _moved(row: Books | None, moved: StockMoved) -> ProductBooks:
    known = row if isinstance(row, ProductBooks) else ProductBooks()
    return ProductBooks(known.reserved + moved.reserved, known.released + moved.released)


def _told(row: OrderBooks, event: Event) -> tuple[OrderBooks, tuple[StockMoved, ...]]:
    match event:
        case StockReserved():
            kept = tuple(Kept(event.order_version, item.sku, item.quantity) for item in event.items)
            return replace(row, kept=(*row.kept, *kept)), tuple(StockMoved(one.sku, one.quantity) for one in kept)
        case StockReleased():
            gone = tuple(one for one in row.kept if one.order_version == event.order_version)
            left = tuple(one for one in row.kept if one.order_version != event.order_version)
            return replace(row, kept=left), tuple(StockMoved(one.sku, released=one.quantity) for one in gone)
        case _:
            return _paid(_ordered(row, event), event), ()


def _ordered(row: OrderBooks, event: Event) -> OrderBooks:
    match event:
        case OrderCreated():
            return _with_items(row, event.items)
        case ItemAdded():
            return _with_items(row, (event.item,))
        case OrderConfirmed():
            return replace(row, outcome="confirmed")
        case OrderCancelled():
            return replace(row, outcome="cancelled")
        case _:
            return row


def _with_items(row: OrderBooks, items: tuple[Item, ...]) -> OrderBooks:
    return replace(
        row,
        total_minor=row.total_minor + sum(item.total_minor for item in items),
        ordered=row.ordered + sum(item.quantity for item in items),
    )


def _paid(row: OrderBooks, event: Event) -> OrderBooks:
    match event:
        case PaymentCompleted():
            return replace(row, charged_minor=row.charged_minor + event.amount_minor)
        case PaymentReserved():
            return replace(row, reserved_minor=row.reserved_minor + event.amount_minor)
        case PaymentCaptured():
            return replace(row, captured_minor=row.captured_minor + event.amount_minor)
        case PaymentRefunded():
            return replace(row, refunded_minor=row.refunded_minor + event.amount_minor)
        case PaymentReleased():
            return replace(row, released_minor=row.released_minor + row.held_minor)
        case _:
            return row
