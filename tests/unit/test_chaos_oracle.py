"""The oracle of a chaos run: rows that are the fold of the log pass, and each kind of deviation is named."""

import copy
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
import pytest

from app.projections import customer_orders, daily_sales, product_demand
from app.projections.order_summaries import OrderSummary
from app.streaming.table import row_key
from app.verify.expected import rows
from app.verify.model import Case
from tests.chaos.seeded import oracle, tallies

DAY_US = 1_767_225_600_000_000
ITEM = {"sku": "tea", "quantity": 2, "unit_price_minor": 250}
CREATED = {
    "type": "OrderCreated",
    "event_id": "e1",
    "version": 1,
    "customer_id": "ann",
    "currency": "GBP",
    "reference": "R-1",
    "items": [ITEM],
    "placed_at": DAY_US,
}
O1, O2 = (str(uuid5(NAMESPACE_OID, name)) for name in ("o1", "o2"))
ADDED = {"type": "ItemAdded", "event_id": "e2", "version": 2, "item": ITEM}
CASES = {O1: Case(order_id=O1, stored=[CREATED, ADDED])}
ENCODE = msgspec.msgpack.encode


@pytest.fixture
def views() -> dict[str, dict[bytes, bytes]]:
    """What the changelogs hold after both events."""
    lines = b'["tea",2]\n' * 2
    summary = OrderSummary(O1, 2, "ann", "R-1", "pending", "GBP", 1000, 4, lines, DAY_US)
    listed = customer_orders.Row("ann", O1, "R-1", "pending", "GBP", 1000, DAY_US)
    return {
        "order_summaries": {O1.encode(): ENCODE(summary)},
        "customer_orders": {row_key(("ann", O1)): ENCODE(listed)},
        "daily_sales": {row_key(("2026-01-01", "GBP")): ENCODE(daily_sales.Row(1, 1000))},
        "product_demand": {b"tea": ENCODE(product_demand.Row(2, 4))},
        "blocked": {},
        "parked": {},
    }


@pytest.fixture
def tally() -> dict[str, dict[bytes, bytes]]:
    return {
        "tallies": {O1.encode(): ENCODE(tallies.Tally(O1, 2, 2, 2))},
        "timers": {},
        "blocked": {},
        "parked": {},
    }


PATHS = set(rows(CASES.values()))


def test_rows_that_are_the_fold_of_the_log_pass(views: Any, tally: Any) -> None:
    assert list(oracle.viewed(CASES, views, PATHS)) == []
    assert list(oracle.tallied(CASES, tally)) == []


@pytest.mark.parametrize(
    ("table", "row", "told"),
    [
        ("order_summaries", None, "None, not"),
        ("customer_orders", None, "None, not"),
        ("daily_sales", daily_sales.Row(2, 2000), "orders: 2, not 1"),
        ("product_demand", product_demand.Row(3, 6), "ordered_quantity: 6, not 4"),
    ],
)
def test_a_lost_and_a_doubled_row_of_a_view_are_named(views: Any, table: str, row: Any, told: str) -> None:
    (key,) = views[table]
    views[table] = {} if row is None else {key: ENCODE(row)}
    assert told in "\n".join(oracle.viewed(CASES, views, PATHS))


def test_a_row_that_no_event_explains_is_named(views: Any) -> None:
    assert list(oracle.viewed(CASES, views, PATHS | {"/views/orders/o9"})) == [
        "/views/orders/o9: nothing in the log explains it"
    ]


@pytest.mark.parametrize(
    "row", [(O1, 3, 2, 2, 1), (O1, 1, 2, 2, 0), (O1, 2, 3, 2, 0), (O1, 2, 1, 2, 0), (O2, 2, 2, 2, 0)]
)
def test_a_count_that_is_off_by_one_is_named(tally: Any, row: tuple[Any, ...]) -> None:
    """An event twice, one lost, a timer twice, one lost, another order."""
    tally["tallies"] = {row[0].encode(): ENCODE(row)}
    assert list(oracle.tallied(CASES, tally)) != []


@pytest.mark.parametrize("table", ["timers", "blocked", "parked"])
def test_what_is_left_waiting_is_named(tally: Any, table: str) -> None:
    tally[table] = {O1.encode(): b""}
    assert list(oracle.tallied(CASES, tally)) == [f"tallies: {O1.encode()!r} is left in {table}"]


def test_the_log_holds_what_was_acknowledged_once_and_in_order() -> None:
    both = [(O1, 1), (O1, 2)]
    assert list(oracle.acknowledged(CASES, both)) == []
    assert list(oracle.acknowledged(CASES, [*both, (O1, 3)])) == [
        f"acknowledged, but not in the log: version 3 of {O1}"
    ]
    doubled = copy.deepcopy(CASES)
    doubled[O1].stored.append(ADDED)
    assert list(oracle.acknowledged(doubled, both)) == [f"2 times in the log: version 2 of {O1}"]
    doubled[O1].stored[0] = {**ADDED, "version": 3}
    assert "out of order" in "\n".join(oracle.acknowledged(doubled, both[1:]))
