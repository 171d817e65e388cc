"""The fold of the check: events of every order in, rows of every view out; and the comparison with what is served."""

import copy
from typing import Any

from app.verify.compare import compare_row, extra_rows
from app.verify.expected import Row, rows
from app.verify.model import PAYMENTS, Case
from tests.unit.verify_orders import CUP, CUSTOMER, PEN, PLACED_AT, cancelled, confirmed, event

ORDER_1, ORDER_2 = "/views/orders/order-1", "/views/orders/order-2"
CUSTOMER_ORDERS = f"/views/customers/{CUSTOMER}/orders"
SALES = "/views/sales/2011-10-06?currency=GBP"
SHOWN_PLACED_AT = "2011-10-06T15:20:00Z"


def test_a_confirmed_order_folds_to_its_row() -> None:
    assert rows([confirmed()])[ORDER_1].fields == {
        "order_id": "order-1",
        "customer_id": CUSTOMER,
        "reference": "R1",
        "status": "confirmed",
        "currency": "GBP",
        "total_minor": 1000,
        "item_count": 3,
        "lines": [{"sku": "PEN", "quantity": 2}, {"sku": "CUP", "quantity": 1}],
        "placed_at": PLACED_AT,
        "version": 3,
        "reason": None,
        "charged_minor": 1000,
        "refunded_minor": 0,
        "reserved_versions": [1, 2],
        "released_versions": [],
        "delivery": "scheduled",
        "delivery_id": "delivery-1",
    }


def test_a_cancelled_order_folds_to_what_was_undone() -> None:
    row = rows([cancelled()])[ORDER_2].fields
    assert (row["status"], row["reason"], row["delivery"]) == ("cancelled", "customer", "cancelled")
    assert (row["charged_minor"], row["refunded_minor"], row["released_versions"]) == (1000, 1000, [1, 2])


def test_an_event_that_is_in_a_topic_twice_counts_once() -> None:
    case = confirmed()
    case.answers[PAYMENTS].append(case.answers[PAYMENTS][0])
    assert rows([case])[ORDER_1].fields["charged_minor"] == 1000


def test_what_stands_in_place_of_a_skipped_event_counts_as_a_version_alone() -> None:
    case = cancelled()
    case.stored.append(event("order-2", 4, "EventVoided", reason="no event"))
    assert rows([case])[ORDER_2].fields == {**rows([cancelled()])[ORDER_2].fields, "version": 4}


def test_an_order_without_its_first_event_has_no_row() -> None:
    case = confirmed()
    del case.stored[0]
    assert rows([case, Case(order_id="order-9")]) == {}


def test_customers_list_their_orders_by_date_then_id() -> None:
    late = confirmed("order-0")
    late.stored[0]["placed_at"] += 1
    listed = rows([late, cancelled(), confirmed()])[CUSTOMER_ORDERS].fields["orders"]
    assert [order["order_id"] for order in listed] == ["order-1", "order-2", "order-0"]
    assert [order["status"] for order in listed] == ["confirmed", "cancelled", "confirmed"]


def test_sales_sum_a_day_by_status() -> None:
    assert rows([confirmed(), cancelled()])[SALES].fields == {
        "day": "2011-10-06",
        "currency": "GBP",
        "orders": 2,
        "total_minor": 2000,
        "confirmed_orders": 1,
        "confirmed_total_minor": 1000,
        "cancelled_orders": 1,
        "cancelled_total_minor": 1000,
    }


def test_demand_counts_what_was_asked_for_by_status() -> None:
    assert rows([confirmed(), cancelled()])["/views/products/PEN/demand"].fields == {
        "sku": "PEN",
        "orders": 2,
        "ordered_quantity": 4,
        "confirmed_quantity": 2,
        "cancelled_quantity": 2,
    }


def test_demand_counts_every_line_of_a_product() -> None:
    case = confirmed()
    case.stored[0]["items"] = [PEN, CUP, PEN]
    pens = rows([case])["/views/products/PEN/demand"].fields
    assert (pens["orders"], pens["ordered_quantity"]) == (2, 4)


def test_names_in_paths_are_quoted() -> None:
    case = confirmed("a/b")
    case.stored[0]["customer_id"] = "c?d"
    assert {"/views/orders/a%2Fb", "/views/customers/c%3Fd/orders"} <= rows([case]).keys()


def served(row: Row) -> dict[str, Any]:
    """The row as a view shows it: instants as text, and the fields that every answer has besides."""
    shown = copy.deepcopy(row.fields)
    for part in [shown, *shown.get("orders", [])] if isinstance(shown.get("orders"), list) else [shown]:
        if "placed_at" in part:
            part["placed_at"] = SHOWN_PLACED_AT
    return {**shown, "position": {"orders.events": 3}, "lag": 0, "worker": "order-views-1"}


def differing(path: str, shown: dict[str, Any] | None) -> list[tuple[str, str]]:
    cases = {case.order_id: case for case in (confirmed(), cancelled())}
    row = rows(cases.values())[path]
    return [(difference.kind, difference.subject) for difference in compare_row(path, row, shown, cases)]


def clean(path: str) -> dict[str, Any]:
    return served(rows([confirmed(), cancelled()])[path])


def test_rows_served_as_expected_show_no_difference() -> None:
    for path in rows([confirmed(), cancelled()]):
        assert differing(path, clean(path)) == []


def test_a_row_that_is_not_served_is_missing() -> None:
    assert differing(ORDER_1, None) == [("row-missing", ORDER_1)]


def test_a_wrong_total_in_a_row_is_found_with_the_events_behind_it() -> None:
    cases = {case.order_id: case for case in (confirmed(), cancelled())}
    path_rows = rows(cases.values())
    shown = {**served(path_rows[ORDER_1]), "total_minor": 1}
    [difference] = compare_row(ORDER_1, path_rows[ORDER_1], shown, cases)
    assert (difference.expected, difference.actual) == (1000, 1)
    assert difference.event_ids == cases["order-1"].event_ids
    assert len(difference.event_ids) == 8


def test_a_field_that_is_not_served_is_found() -> None:
    shown = clean(SALES)
    del shown["confirmed_orders"]
    assert differing(SALES, shown) == [("row", f"{SALES} confirmed_orders")]


def test_a_wrong_date_is_found() -> None:
    shown = {**clean(ORDER_1), "placed_at": "2011-10-06T16:20:00Z"}
    assert differing(ORDER_1, shown) == [("row", f"{ORDER_1} placed_at")]


def test_an_order_too_many_or_too_few_in_a_customers_list_is_found() -> None:
    shown = clean(CUSTOMER_ORDERS)
    doubled = {**shown, "orders": [*shown["orders"], shown["orders"][0]]}
    fewer = {**shown, "orders": shown["orders"][1:]}
    none = {**shown, "orders": []}
    for wrong in (doubled, fewer, none):
        assert differing(CUSTOMER_ORDERS, wrong) == [("row", f"{CUSTOMER_ORDERS} orders")]


def test_further_fields_of_a_listed_order_are_no_difference() -> None:
    shown = clean(CUSTOMER_ORDERS)
    shown["orders"] = [{**order, "version": 3} for order in shown["orders"]]
    assert differing(CUSTOMER_ORDERS, shown) == []


def test_a_row_that_no_event_explains_is_extra() -> None:
    expected = rows([confirmed()])
    known, extra = "/views/orders/not-created-yet", "/views/orders/ghost"
    [difference] = extra_rows([*expected, known, extra], expected, {known})
    assert (difference.kind, difference.subject) == ("row-extra", extra)
