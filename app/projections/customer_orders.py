"""The orders of each customer, one row per customer and order."""

from typing import TypeAlias

from msgspec import Struct

from app.domain.events import Micros
from app.domain.fields import Status
from app.projections.order_summaries import OrderSummary


class Row(Struct, frozen=True, array_like=True, gc=False):
    """What a customer sees of an order in the list of all of them."""

    customer_id: str
    order_id: str
    reference: str
    status: Status
    currency: str
    total_minor: int
    placed_at: Micros


Change: TypeAlias = Row  # a change is the row as it is from now on


def changes(old: OrderSummary | None, new: OrderSummary) -> tuple[Change, ...]:
    """What a changed order changes here: nothing unless something that is listed differs."""
    before, after = _listed(old), _listed(new)
    return () if after is None or after == before else (after,)


def partition_key(change: Change) -> str:
    return change.customer_id


def key(change: Change) -> tuple[str, str]:
    return change.customer_id, change.order_id


def fold(row: Row | None, change: Change) -> Row:
    return change


def _listed(order: OrderSummary | None) -> Row | None:
    if order is None or order.placed_at is None:
        return None
    return Row(
        order.customer_id,
        order.order_id,
        order.reference,
        order.status,
        order.currency,
        order.total_minor,
        order.placed_at,
    )
