"""The table of views: the address of each, the rows behind it, and what is shown of them.

The gateway finds with it the partition of a row, a worker the row itself; both know a view by this table only.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from aiokafka.partitioner import murmur2

from app.domain.reconciliation import OrderBooks, ProductBooks, product_key
from app.projections import customer_orders, daily_sales, product_demand
from app.projections.order_summaries import OrderSummary, unpacked
from app.web import moments
from app.web.problem import ProblemError

Params: TypeAlias = Mapping[str, str]
Shown: TypeAlias = dict[str, Any]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One view. With `scan` its rows are all whose key begins with `row_key`, else the one row under it."""

    name: str
    summary: str
    path: str
    query_parameters: tuple[str, ...] = ()
    forms: Mapping[str, Callable[[str], str]] = {}
    """By parameter, its one form; raises `ValueError` with what it takes for a text that no row can have."""
    topology: str = "order-views"
    table: str
    scan: bool = False
    alone: str = ""
    """Of a scan: where one of its rows is shown, for who asks for more rows than one answer holds."""
    partition_key: Callable[[Params], str]
    row_key: Callable[[Params], tuple[str, ...]]
    render: Callable[[Params, Sequence[Any]], Shown | None]
    """What is shown of the rows; None when they show nothing yet."""
    personal: bool = False
    """Whether parts of a row are sealed: a worker shows them so, the gateway opens them."""

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    def match(self, path: str, query: Mapping[str, str]) -> Params | None:
        """The parameters in a decoded path and its query; None when the path is not this view's."""
        wanted, given = self.path.split("/"), path.split("/")
        pairs = list(zip(wanted, given, strict=False))
        if len(wanted) != len(given) or any(not (a == b or (a[:1] == "{" and b)) for a, b in pairs):
            return None
        return self.params({a[1:-1]: b for a, b in pairs if a[:1] == "{"}, query)

    def params(self, path_params: Mapping[str, str], query: Mapping[str, str]) -> Params:
        """Both together, each in its one form; a `ProblemError` when one is missing or no row can have it."""
        missing = [name for name in self.query_parameters if not query.get(name)]
        if missing:
            raise ProblemError("REQUEST_INVALID", f"{self.path} takes ?{missing[0]}=; say which one you mean")
        given = {**path_params, **{name: query[name] for name in self.query_parameters}}
        return given | {name: _in_form(name, given[name], form) for name, form in self.forms.items()}

    def target(self, params: Params) -> str:
        """The path and query that ask a worker for this row."""
        path = self.path.format_map({name: quote(params[name], safe="") for name in self.path_parameters})
        query = urlencode({name: params[name] for name in self.query_parameters})
        return f"{path}?{query}" if query else path


def partition_of(key: str, partitions: int) -> int:
    """Where every producer of the system puts `key` (Java's default partitioner, librdkafka's murmur2_random)."""
    hashed: int = murmur2(key.encode())
    return (hashed & 0x7FFFFFFF) % partitions


def _in_form(name: str, text: str, form: Callable[[str], str]) -> str:
    try:
        return form(text)
    except ValueError as error:
        mistakes = [{"at": name, "message": str(error)}]
        raise ProblemError("REQUEST_INVALID", f"{name}: {error}", errors=mistakes) from None


def order_id_of(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("takes a UUID") from None


def _day(text: str) -> str:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError("takes a day of the calendar, like 2011-10-06")


def _currency(text: str) -> str:
    if re.fullmatch("[A-Z]{3}", text) is None:
        raise ValueError("takes three capital letters, like GBP")
    return text


def _shown(row: Any, names: Sequence[str]) -> Shown:
    return {name: getattr(row, name) for name in names}


def _order(_: Params, rows: Sequence[OrderSummary]) -> Shown | None:
    # a row that has only heard of payments, stock or delivery is of no order yet
    if not rows or not rows[0].exists:
        return None
    lines = [_shown(line, ("sku", "quantity")) for line in unpacked(rows[0].lines)]
    return _listed(rows[0], _ORDER) | _sealed(rows[0]) | {"lines": lines}


def _sealed(row: OrderSummary) -> Shown:
    """As it is: who asks a worker cannot read it."""
    state = "sealed" if row.customer_name or row.delivery_address else "none"
    return {"personal_data": state, **_shown(row, ("customer_name", "delivery_address"))}


def _orders(params: Params, rows: Sequence[customer_orders.Row]) -> Shown | None:
    listed = [_listed(row, _LISTED) for row in sorted(rows, key=lambda row: (row.placed_at, row.order_id))]
    return {"customer_id": params["customer_id"], "orders": listed} if listed else None


def _sums(params: Params, rows: Sequence[daily_sales.Row | product_demand.Row]) -> Shown | None:
    return dict(params) | _shown(rows[0], rows[0].__struct_fields__) if rows else None


def _order_books(params: Params, rows: Sequence[OrderBooks]) -> Shown | None:
    derived = ("paid_minor", "held_minor", "settled")
    return dict(params) | _shown(rows[0], (*_BOOKS, *derived)) | {"kept": rows[0].kept_quantity} if rows else None


def _product_books(params: Params, rows: Sequence[ProductBooks]) -> Shown | None:
    if not rows:
        return None
    return dict(params) | _shown(rows[0], ("reserved", "released")) | {"kept": rows[0].reserved - rows[0].released}


def _listed(row: OrderSummary | customer_orders.Row, names: Sequence[str]) -> Shown:
    return _shown(row, names) | {"placed_at": moments.text(row.placed_at or 0)}


_LISTED = ("order_id", "reference", "status", "currency", "total_minor")
_BOOKS = ("outcome", "charged_minor", "reserved_minor", "captured_minor", "refunded_minor", "released_minor")
_ORDER = (
    *_LISTED,
    "customer_id",
    "item_count",
    "version",
    "reason",
    "charged_minor",
    "refunded_minor",
    "reserved_versions",
    "released_versions",
    "delivery",
    "delivery_id",
)

VIEWS: tuple[View, ...] = (
    View(
        name="order",
        summary="What became of an order",
        path="/views/orders/{order_id}",
        forms={"order_id": order_id_of},
        table="order_summaries",
        partition_key=itemgetter("order_id"),
        row_key=lambda params: (params["order_id"],),
        render=_order,
        personal=True,
    ),
    View(
        name="customer-orders",
        summary="The orders of a customer, oldest first",
        path="/views/customers/{customer_id}/orders",
        table="customer_orders",
        scan=True,
        alone="/views/orders/{order_id}",
        partition_key=itemgetter("customer_id"),
        row_key=lambda params: (params["customer_id"],),
        render=_orders,
    ),
    View(
        name="daily-sales",
        summary="What was ordered on a day (UTC) in a currency, and what became of it",
        path="/views/sales/{day}",
        query_parameters=("currency",),
        forms={"day": _day, "currency": _currency},
        table="daily_sales",
        partition_key=itemgetter("day"),
        row_key=lambda params: (params["day"], params["currency"]),
        render=_sums,
    ),
    View(
        name="product-demand",
        summary="How much of a product was ordered, and what became of it",
        path="/views/products/{sku}/demand",
        table="product_demand",
        partition_key=itemgetter("sku"),
        row_key=lambda params: (params["sku"],),
        render=_sums,
    ),
    View(
        name="order-books",
        summary="The money and stock of an order: what the services say was taken and given back, and what is left",
        path="/views/reconciliation/orders/{order_id}",
        forms={"order_id": order_id_of},
        topology="reconciliation",
        table="books",
        partition_key=itemgetter("order_id"),
        row_key=lambda params: (params["order_id"],),
        render=_order_books,
    ),
    View(
        name="product-books",
        summary="How much of a product was reserved and released, and what of it is kept for orders",
        path="/views/reconciliation/products/{sku}",
        topology="reconciliation",
        table="books",
        partition_key=lambda params: product_key(params["sku"]),
        row_key=lambda params: (product_key(params["sku"]),),
        render=_product_books,
    ),
)
