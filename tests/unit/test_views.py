"""The table of views agrees with the projections on where a row is, and shows rows as users know them."""

from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest

from app.domain.events import Item
from app.domain.reconciliation import Kept, OrderBooks, ProductBooks
from app.projections import customer_orders, daily_sales, product_demand
from app.projections.order_summaries import OrderSummary, packed
from app.web.problem import ProblemError
from app.web.views import VIEWS, Params, View, partition_of

ORDER = OrderSummary(
    order_id="7b0d1d1e-54a5-4f6c-8f0e-3a4c5d6e7f80",
    version=2,
    customer_id="17850",
    reference="536365",
    status="confirmed",
    currency="GBP",
    total_minor=1530,
    item_count=6,
    lines=packed(Item(sku="white heart", quantity=6, unit_price_minor=255)),
    placed_at=1_317_914_400_000_000,
    charged_minor=1530,
    reserved_versions=(1,),
    delivery="scheduled",
    delivery_id="d-1",
)
SHOWN_ORDER = {
    "order_id": ORDER.order_id,
    "reference": "536365",
    "status": "confirmed",
    "currency": "GBP",
    "total_minor": 1530,
    "placed_at": "2011-10-06T15:20:00Z",
}
BY_NAME = {view.name: view for view in VIEWS}
PARAMS: dict[str, Params] = {
    "order": {"order_id": ORDER.order_id},
    "customer-orders": {"customer_id": "17850"},
    "daily-sales": {"day": "2011-10-06", "currency": "GBP"},
    "product-demand": {"sku": "white heart"},
    "order-books": {"order_id": ORDER.order_id},
    "product-books": {"sku": "white heart"},
}
PROJECTIONS: dict[str, ModuleType] = {
    "customer-orders": customer_orders,
    "daily-sales": daily_sales,
    "product-demand": product_demand,
}


def read(target: str) -> list[tuple[View, Params]]:
    """The views behind an address, as it is sent."""
    parts = urlsplit(target)
    return found(unquote(parts.path), dict(parse_qsl(parts.query)))


def found(path: str, query: Params) -> list[tuple[View, Params]]:
    return [(view, params) for view in VIEWS if (params := view.match(path, query)) is not None]


@pytest.mark.parametrize("name", ["customer-orders", "product-demand", "product-books"])
@pytest.mark.parametrize("odd", ["plain", "white heart", "50%", "a+b&c=d?e#f", "naïve ☕", "%2F", ";v=1"])
def test_an_address_leads_back_to_the_row_it_was_made_for(name: str, odd: str) -> None:
    params = dict.fromkeys(PARAMS[name], odd)
    assert read(BY_NAME[name].target(params)) == [(BY_NAME[name], params)]


@pytest.mark.parametrize("name", PARAMS)
def test_every_view_is_found_at_its_address(name: str) -> None:
    assert read(BY_NAME[name].target(PARAMS[name])) == [(BY_NAME[name], PARAMS[name])]


@pytest.mark.parametrize("form", [str.upper, lambda order_id: order_id.replace("-", "")])
def test_an_order_is_found_by_any_form_of_its_id(form: Callable[[str], str]) -> None:
    assert read(f"/views/orders/{form(ORDER.order_id)}") == [(BY_NAME["order"], PARAMS["order"])]


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("/views/sales/today?currency=GBP", "day"),
        ("/views/sales/2026-13-45?currency=GBP", "day"),
        ("/views/sales/20261124?currency=GBP", "day"),
        ("/views/sales/2026-11-24?currency=gbp", "currency"),
        ("/views/orders/536365", "order_id"),
    ],
)
def test_a_row_that_can_never_be_is_refused_by_the_parameter(address: str, wrong: str) -> None:
    with pytest.raises(ProblemError, match=f"^{wrong}: takes") as refused:
        read(address)
    assert refused.value.problem.status == 422


@pytest.mark.parametrize("path", ["/views/orders", "/views/orders/", "/views/orders/1/2", "/orders/1", "/views/x/1"])
def test_other_addresses_are_no_view(path: str) -> None:
    assert found(path, {}) == []


def test_a_missing_query_parameter_is_named() -> None:
    with pytest.raises(ProblemError, match="currency"):
        BY_NAME["daily-sales"].match("/views/sales/2011-10-06", {})


@pytest.mark.parametrize("name", PROJECTIONS)
def test_a_row_is_looked_for_where_its_projection_puts_it(name: str) -> None:
    view, params, projection = BY_NAME[name], PARAMS[name], PROJECTIONS[name]
    (change,) = projection.changes(None, ORDER)
    assert view.partition_key(params) == projection.partition_key(change)
    sought, key = view.row_key(params), projection.key(change)
    assert key[: len(sought)] == sought
    assert view.scan or key == sought


def shown(name: str, rows: list[Any]) -> dict[str, Any] | None:
    return BY_NAME[name].render(PARAMS[name], rows)


def test_an_order_shows_what_every_topic_told_of_it() -> None:
    assert shown("order", [ORDER]) == SHOWN_ORDER | {
        "customer_id": "17850",
        "item_count": 6,
        "lines": [{"sku": "white heart", "quantity": 6}],
        "version": 2,
        "reason": None,
        "charged_minor": 1530,
        "refunded_minor": 0,
        "reserved_versions": (1,),
        "released_versions": (),
        "delivery": "scheduled",
        "delivery_id": "d-1",
        "personal_data": "none",
        "customer_name": "",
        "delivery_address": "",
    }


def test_what_is_sealed_of_an_order_is_shown_sealed() -> None:
    row = shown("order", [msgspec.structs.replace(ORDER, customer_name="c2VhbGVk")])
    assert row is not None
    assert (row["personal_data"], row["customer_name"], row["delivery_address"]) == ("sealed", "c2VhbGVk", "")


def test_an_order_that_was_only_paid_yet_is_not_shown() -> None:
    assert shown("order", [OrderSummary(order_id=ORDER.order_id, payments=1, charged_minor=5)]) is None


def test_orders_of_a_customer_are_listed_oldest_first() -> None:
    (late,) = customer_orders.changes(None, ORDER)
    early = customer_orders.Row("17850", "0", "536300", "pending", "GBP", 5, 0)
    assert shown("customer-orders", [late, early]) == {
        "customer_id": "17850",
        "orders": [
            {
                "order_id": "0",
                "reference": "536300",
                "status": "pending",
                "currency": "GBP",
                "total_minor": 5,
                "placed_at": "1970-01-01T00:00:00Z",
            },
            SHOWN_ORDER,
        ],
    }


def test_sums_are_shown_with_what_they_are_of() -> None:
    sales = daily_sales.fold(None, daily_sales.changes(None, ORDER)[0])
    assert shown("daily-sales", [sales]) == {
        "day": "2011-10-06",
        "currency": "GBP",
        "orders": 1,
        "total_minor": 1530,
        "confirmed_orders": 1,
        "confirmed_total_minor": 1530,
        "cancelled_orders": 0,
        "cancelled_total_minor": 0,
    }
    demand = product_demand.fold(None, product_demand.changes(None, ORDER)[0])
    assert shown("product-demand", [demand]) == {
        "sku": "white heart",
        "orders": 1,
        "ordered_quantity": 6,
        "confirmed_quantity": 6,
        "cancelled_quantity": 0,
    }


def test_books_show_what_was_taken_what_was_given_back_and_what_is_left() -> None:
    kept = (Kept(1, "white heart", 6),)
    books = OrderBooks(2, 1, 1, "confirmed", 1530, 6, charged_minor=1530, kept=kept)
    assert shown("order-books", [books]) == {
        **PARAMS["order-books"],
        "outcome": "confirmed",
        "charged_minor": 1530,
        "reserved_minor": 0,
        "captured_minor": 0,
        "refunded_minor": 0,
        "released_minor": 0,
        "paid_minor": 1530,
        "held_minor": 0,
        "settled": True,
        "kept": 6,
    }
    of_product = {"sku": "white heart", "reserved": 6, "released": 2, "kept": 4}
    assert shown("product-books", [ProductBooks(6, 2)]) == of_product


@pytest.mark.parametrize("name", PARAMS)
def test_no_row_shows_nothing(name: str) -> None:
    assert shown(name, []) is None


@pytest.mark.parametrize(
    ("key", "hashed"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-longer-string", -1486304829), ("abc", 479470107)],
)
def test_keys_are_placed_as_the_java_client_places_them(key: str, hashed: int) -> None:
    assert partition_of(key, 2**31) == hashed & 0x7FFFFFFF
    assert partition_of(key, 4) == (hashed & 0x7FFFFFFF) % 4
