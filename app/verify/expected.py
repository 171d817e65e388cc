"""Folds the events of every order into the rows that the views must serve: as simply as it can be written.

A row is named by the path that serves it, so that whatever serves that path can be compared with it.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from app.verify.model import Case

# Fields of an order that its row holds in cipher, and no view serves as they are.
SEALED = ("customer_name", "delivery_address")


class Row(msgspec.Struct):
    """The fields that a path must serve, the orders whose events say so, and what the stored row has besides."""

    fields: dict[str, Any]
    order_ids: set[str]
    sealed: dict[str, str] = {}


def rows(cases: Iterable[Case]) -> dict[str, Row]:
    """Every row of every view, by its path."""
    found: dict[str, Row] = {}
    for case in sorted(filter(_is_placed, cases), key=_placed):
        order = order_row(case)
        sealed = {name: case.stored[0].get(name, "") for name in SEALED}
        found[order_path(case.order_id)] = Row(order, {case.order_id}, sealed)
        _add_to_customer(found, order)
        _add_to_sales(found, order)
        _add_to_products(found, order)
    return found


def _is_placed(case: Case) -> bool:
    return bool(case.stored) and case.stored[0]["type"] == "OrderCreated"


def _placed(case: Case) -> tuple[int, str]:
    return case.stored[0]["placed_at"], case.order_id


def order_path(order_id: str) -> str:
    return f"/views/orders/{quote(order_id, safe='')}"


def customer_path(customer_id: str) -> str:
    return f"/views/customers/{quote(customer_id, safe='')}/orders"


def sales_path(day: str, currency: str) -> str:
    return f"/views/sales/{day}?currency={quote(currency, safe='')}"


def product_path(sku: str) -> str:
    return f"/views/products/{quote(sku, safe='')}/demand"


def items_by_version(case: Case) -> dict[int, list[dict[str, Any]]]:
    """The lines that each version of the order brought."""
    return {
        event["version"]: event["items"] if event["type"] == "OrderCreated" else [event["item"]]
        for event in case.of("OrderCreated", "ItemAdded")
    }


def items(case: Case) -> list[dict[str, Any]]:
    return [item for of_version in items_by_version(case).values() for item in of_version]


def total_minor(lines: Iterable[dict[str, Any]]) -> int:
    return sum(line["quantity"] * line["unit_price_minor"] for line in lines)


def order_row(case: Case) -> dict[str, Any]:
    created, last = case.stored[0], case.standing[-1]
    lines = items(case)
    deliveries = case.of("DeliveryScheduled", "DeliveryRejected", "DeliveryCancelled")
    return {
        "order_id": case.order_id,
        "customer_id": created["customer_id"],
        "reference": created["reference"],
        "status": case.outcomes[-1] if case.outcomes else "pending",
        "currency": created["currency"],
        "total_minor": total_minor(lines),
        "item_count": sum(line["quantity"] for line in lines),
        "lines": [{"sku": line["sku"], "quantity": line["quantity"]} for line in lines],
        "placed_at": created["placed_at"],
        "version": case.stored[-1]["version"],
        "reason": last["reason"] if last["type"] == "OrderCancelled" else None,
        "charged_minor": sum(event["amount_minor"] for event in case.of("PaymentCompleted", "PaymentCaptured")),
        "refunded_minor": sum(event["amount_minor"] for event in case.of("PaymentRefunded")),
        "reserved_versions": [event["order_version"] for event in case.of("StockReserved")],
        "released_versions": [event["order_version"] for event in case.of("StockReleased")],
        "delivery": deliveries[-1]["type"].removeprefix("Delivery").lower() if deliveries else "none",
        "delivery_id": next((event["delivery_id"] for event in reversed(deliveries) if "delivery_id" in event), None),
    }


def _add_to_customer(found: dict[str, Row], order: dict[str, Any]) -> None:
    start = {"customer_id": order["customer_id"], "orders": []}
    row = found.setdefault(customer_path(order["customer_id"]), Row(start, set()))
    shown = ("order_id", "reference", "status", "currency", "total_minor", "placed_at")
    row.fields["orders"].append({name: order[name] for name in shown})
    row.order_ids.add(order["order_id"])


def _add_to_sales(found: dict[str, Row], order: dict[str, Any]) -> None:
    day = datetime.fromtimestamp(order["placed_at"] // 1_000_000, UTC).date().isoformat()
    totals: dict[str, Any] = defaultdict(int, day=day, currency=order["currency"])
    row = found.setdefault(sales_path(day, order["currency"]), Row(totals, set()))
    for prefix in ("", "confirmed_", "cancelled_"):
        counts = prefix in ("", f"{order['status']}_")
        row.fields[f"{prefix}orders"] += counts
        row.fields[f"{prefix}total_minor"] += counts * order["total_minor"]
    row.order_ids.add(order["order_id"])


def _add_to_products(found: dict[str, Row], order: dict[str, Any]) -> None:
    for line in order["lines"]:
        totals: dict[str, Any] = defaultdict(int, sku=line["sku"])
        row = found.setdefault(product_path(line["sku"]), Row(totals, set()))
        row.fields["orders"] += 1
        row.fields["ordered_quantity"] += line["quantity"]
        for status in ("confirmed", "cancelled"):
            row.fields[f"{status}_quantity"] += line["quantity"] * (order["status"] == status)
        row.order_ids.add(order["order_id"])
