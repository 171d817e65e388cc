"""How much of each product was ordered, and how much of that was confirmed and cancelled."""

from msgspec import Struct

from app.domain.fields import Status
from app.projections.order_summaries import Lines, OrderSummary, unpacked


class Row(Struct, frozen=True, array_like=True, gc=False):
    """Sums over the order lines of one product; `orders` counts those lines."""

    orders: int = 0
    ordered_quantity: int = 0
    confirmed_quantity: int = 0
    cancelled_quantity: int = 0


class Change(Struct, frozen=True, array_like=True, gc=False):
    """What to add to the row of a product."""

    sku: str
    added: Row


def changes(old: OrderSummary | None, new: OrderSummary) -> tuple[Change, ...]:
    """What a changed order adds to the sums of its products, at most one change for each."""
    if new.placed_at is None:
        return ()
    sums: dict[str, list[int]] = {}
    if old is None or old.placed_at is None:
        _add(sums, new.lines, new.status, 1)
    elif old.status == new.status:
        _add(sums, new.lines[len(old.lines) :], new.status, 1)  # lines are only ever appended
    else:
        _add(sums, new.lines, new.status, 1)
        _add(sums, old.lines, old.status, -1)
    return tuple([Change(sku, Row(*added)) for sku, added in sums.items() if any(added)])


def partition_key(change: Change) -> str:
    return change.sku


def key(change: Change) -> tuple[str]:
    return (change.sku,)


def fold(row: Row | None, change: Change) -> Row:
    added = change.added
    if row is None:
        return added
    return Row(
        row.orders + added.orders,
        row.ordered_quantity + added.ordered_quantity,
        row.confirmed_quantity + added.confirmed_quantity,
        row.cancelled_quantity + added.cancelled_quantity,
    )


def _add(sums: dict[str, list[int]], lines: Lines, status: Status, sign: int) -> None:
    for line in unpacked(lines):
        quantity = sign * line.quantity
        added = sums.setdefault(line.sku, [0, 0, 0, 0])
        added[0] += sign
        added[1] += quantity
        if status == "confirmed":
            added[2] += quantity
        elif status == "cancelled":
            added[3] += quantity
