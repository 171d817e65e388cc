"""What was ordered per day and currency, and how much of it was confirmed and cancelled."""

from msgspec import Struct
from msgspec.structs import astuple

from app.projections.calendar import day_of
from app.projections.order_summaries import OrderSummary


class Row(Struct, frozen=True, array_like=True, gc=False):
    """Sums over the orders placed on one UTC day in one currency; `orders` and `total_minor` count every status."""

    orders: int = 0
    total_minor: int = 0
    confirmed_orders: int = 0
    confirmed_total_minor: int = 0
    cancelled_orders: int = 0
    cancelled_total_minor: int = 0


class Change(Struct, frozen=True, array_like=True, gc=False):
    """What to add to the row of a day and currency."""

    day: str
    currency: str
    added: Row


def changes(old: OrderSummary | None, new: OrderSummary) -> tuple[Change, ...]:
    """What a changed order adds to the sums of its day."""
    if new.placed_at is None:
        return ()
    before, after = _part(old), _part(new)
    if before == after:
        return ()
    return (Change(day_of(new.placed_at), new.currency, _combined(after, before, -1)),)


def partition_key(change: Change) -> str:
    return change.day


def key(change: Change) -> tuple[str, str]:
    return change.day, change.currency


def fold(row: Row | None, change: Change) -> Row:
    return change.added if row is None else _combined(row, change.added, 1)


def _part(order: OrderSummary | None) -> Row:
    """What one order is in the sums."""
    if order is None or order.placed_at is None:
        return Row()
    ordered = (1, order.total_minor)
    none = (0, 0)
    confirmed = ordered if order.status == "confirmed" else none
    cancelled = ordered if order.status == "cancelled" else none
    return Row(*ordered, *confirmed, *cancelled)


def _combined(row: Row, other: Row, sign: int) -> Row:
    return Row(*[left + sign * right for left, right in zip(astuple(row), astuple(other), strict=True)])
