"""What the books of orders and products must show: what moved as the events say, what is left as the ledgers hold."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from app.verify.expected import Row, items_by_version
from app.verify.model import HELD, PAID, Case


def order_path(order_id: str) -> str:
    return f"/views/reconciliation/orders/{quote(order_id, safe='')}"


def product_path(sku: str) -> str:
    return f"/views/reconciliation/products/{quote(sku, safe='')}"


def rows(cases: Iterable[Case]) -> dict[str, Row]:
    """The books of every order and of every product that was reserved, by the path that serves them."""
    found: dict[str, Row] = {}
    kept, order_ids = defaultdict[str, Counter[str]](Counter), defaultdict[str, set[str]](set)
    for case in cases:
        if not case.stored:
            continue
        found[order_path(case.order_id)] = Row(order_books(case), {case.order_id})
        for sku, moved in _stock(case).items():
            kept[sku].update(moved)
            order_ids[sku].add(case.order_id)
    for sku, moved in kept.items():
        shown = {"sku": sku, **{name: moved[name] for name in ("reserved", "released", "kept")}}
        found[product_path(sku)] = Row(shown, order_ids[sku])
    return found


def order_books(case: Case) -> dict[str, Any]:
    reserved = _sum(case, "PaymentReserved")
    return {
        "order_id": case.order_id,
        "outcome": case.outcomes[-1] if case.outcomes else "pending",
        "charged_minor": _sum(case, "PaymentCompleted"),
        "reserved_minor": reserved,
        "captured_minor": _sum(case, "PaymentCaptured"),
        "refunded_minor": _sum(case, "PaymentRefunded"),
        "released_minor": reserved if case.of("PaymentReleased") else 0,
        "paid_minor": sum(effect.amount_minor for effect in case.charges if effect.state in PAID),
        "held_minor": sum(effect.amount_minor for effect in case.charges if effect.state == HELD),
        "kept": sum(sum(effect.quantities.values()) for effect in case.reservations if effect.standing),
    }


def _sum(case: Case, event_type: str) -> int:
    return sum(event["amount_minor"] for event in case.of(event_type))


def _stock(case: Case) -> dict[str, Counter[str]]:
    """By sku: what was reserved and released by the events, and what is kept by the warehouse.

    Where the answer to a reservation was lost, the release is for caution: it gives back nothing that was announced.
    """
    found, lines = defaultdict[str, Counter[str]](Counter), items_by_version(case)
    reserved = {event["order_version"] for event in case.of("StockReserved")}
    for name, event_type in (("reserved", "StockReserved"), ("released", "StockReleased")):
        for event in case.of(event_type):
            for line in lines.get(event["order_version"], []) if event["order_version"] in reserved else ():
                found[line["sku"]][name] += line["quantity"]
    for effect in case.reservations:
        for sku, quantity in effect.quantities.items() if effect.standing else ():
            found[sku]["kept"] += quantity
    return found
