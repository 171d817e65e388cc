"""The books that the check expects: gross amounts of the events, what is left from the ledgers."""

from msgspec.structs import replace

from app.verify.books import order_path, product_path, rows
from app.verify.model import INVENTORY, Case
from tests.unit.verify_orders import cancelled, compensated, confirmed, effect, event, orchestrated

NOTHING = {"charged_minor": 0, "reserved_minor": 0, "captured_minor": 0, "refunded_minor": 0, "released_minor": 0}


def test_a_confirmed_order_is_charged_and_its_stock_kept() -> None:
    money = {**NOTHING, "charged_minor": 1000, "paid_minor": 1000, "held_minor": 0}
    shown = rows([confirmed()])[order_path("order-1")].fields
    assert shown == {"order_id": "order-1", "outcome": "confirmed", **money, "kept": 3}


def test_a_cancelled_order_is_refunded_and_its_stock_released() -> None:
    shown = rows([cancelled()])[order_path("order-2")].fields
    assert (shown["charged_minor"], shown["refunded_minor"], shown["paid_minor"], shown["kept"]) == (1000, 1000, 0, 0)


def test_a_payment_of_a_saga_is_reserved_and_then_captured_or_released() -> None:
    found = rows([orchestrated(), compensated()])
    captured, released = found[order_path("order-3")].fields, found[order_path("order-4")].fields
    assert (captured["reserved_minor"], captured["captured_minor"], captured["paid_minor"]) == (300, 300, 300)
    assert (released["reserved_minor"], released["released_minor"], released["paid_minor"]) == (300, 300, 0)


def test_what_is_left_is_told_by_the_ledgers_whatever_the_events_say() -> None:
    case = confirmed()
    case.charges = [replace(case.charges[0], state="held"), case.charges[1]]
    case.reservations = [effect(1, quantities={"PEN": 1})]
    found = rows([case])
    order, pens = found[order_path("order-1")].fields, found[product_path("PEN")].fields
    assert (order["paid_minor"], order["held_minor"], order["kept"]) == (700, 300, 1)
    assert pens == {"sku": "PEN", "reserved": 2, "released": 0, "kept": 1}


def test_a_product_has_the_sums_of_all_orders_and_names_them() -> None:
    pens = rows([confirmed(), cancelled(), orchestrated()])[product_path("PEN")]
    assert pens.fields == {"sku": "PEN", "reserved": 6, "released": 2, "kept": 4}
    assert pens.order_ids == {"order-1", "order-2", "order-3"}


def test_a_release_for_caution_gives_back_nothing_that_was_announced() -> None:
    case = compensated()
    case.answers[INVENTORY].append(event(case.order_id, 2, "StockReleased", order_version=1))
    assert product_path("PEN") not in rows([case])


def test_an_order_without_events_in_the_store_has_no_books() -> None:
    assert rows([Case(order_id="order-9")]) == {}
