"""Tables fed by the changes of orders equal those made from the orders as they are in the end."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.events import (
    DeliveryScheduled,
    Event,
    Item,
    ItemAdded,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCompleted,
    StockReserved,
)
from app.errors import PermanentError
from app.projections import customer_orders, daily_sales, product_demand
from app.projections.calendar import day_of
from app.projections.order_summaries import OrderSummary, fold
from tests.unit.order_events import CUSTOMER_ID, ORDER_ID, PLACED_AT, event, interleavings, order_histories

DERIVED = [customer_orders, daily_sales, product_demand]
DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

derived = pytest.mark.parametrize("table", DERIVED, ids=lambda module: module.__name__.rpartition(".")[2])


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of a few orders of few customers, days and currencies; not all have ended, some come twice."""
    streams = [_of_order(str(number), draw(_placed), draw(_so_far)) for number in range(draw(st.integers(1, 4)))]
    events = draw(interleavings(streams))
    return [each for one in events for each in [one] * draw(st.sampled_from([1, 1, 1, 2]))]


_placed = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["ann", "bob"]),
        "currency": st.sampled_from(["GBP", "EUR"]),
        "placed_at": st.sampled_from([PLACED_AT, PLACED_AT + 1, PLACED_AT + DAY]),
    }
)
_so_far = st.builds(lambda history, length: history[:length], order_histories(), st.integers(1, 5))


def _of_order(order_id: str, placed: dict[str, Any], history: list[Event]) -> list[Event]:
    told = event(PaymentCompleted, 1, order_id=order_id)
    return [
        replace(history[0], order_id=order_id, **placed),
        told,
        *(replace(e, order_id=order_id) for e in history[1:]),
    ]


class Tables:
    """The orders, and one derived table fed by their changes."""

    def __init__(self, table: ModuleType) -> None:
        self._table = table
        self.orders: dict[str, OrderSummary] = {}
        self.rows: dict[tuple[str, ...], Any] = {}

    def take(self, each: Event) -> None:
        old = self.orders.get(each.order_id)
        new = fold(old, each)
        if new is not None:
            self.orders[each.order_id] = new
            self.apply(self._table.changes(old, new))

    def apply(self, changes: Iterable[Any]) -> None:
        for change in changes:
            key = self._table.key(change)
            self.rows[key] = self._table.fold(self.rows.get(key), change)


@derived
@given(events=histories())
def test_folded_changes_equal_a_table_made_from_scratch(table: ModuleType, events: list[Event]) -> None:
    kept, scratch = Tables(table), Tables(table)
    for each in events:
        kept.take(each)
    for order in kept.orders.values():
        scratch.apply(table.changes(None, order))
    assert kept.rows == scratch.rows


@derived
@given(events=histories())
def test_changes_and_rows_survive_their_encoding(table: ModuleType, events: list[Event]) -> None:
    kept = Tables(table)
    for each in events:
        kept.take(each)
    changes = [change for order in kept.orders.values() for change in table.changes(None, order)]
    for value in [*changes, *kept.rows.values()]:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=type(value)) == value


@derived
@given(events=histories())
def test_rows_of_one_key_share_a_partition(table: ModuleType, events: list[Event]) -> None:
    kept, partitions = Tables(table), defaultdict(set)
    for each in events:
        kept.take(each)
    for order in kept.orders.values():
        for change in table.changes(None, order):
            partitions[table.key(change)].add(table.partition_key(change))
    assert all(len(keys) == 1 for keys in partitions.values())


@derived
@pytest.mark.parametrize("kind", [PaymentCompleted, StockReserved, DeliveryScheduled])
def test_what_is_not_shown_changes_nothing(table: ModuleType, kind: type[Event]) -> None:
    old = fold(None, event(OrderCreated, 1))
    new = fold(old, event(kind, 1))
    assert new is not None
    assert table.changes(old, new) == ()
    unseen = fold(None, event(kind, 1))
    assert unseen is not None
    assert table.changes(None, unseen) == ()


def rows(table: ModuleType, *events: Event) -> dict[tuple[str, ...], Any]:
    kept = Tables(table)
    for each in events:
        kept.take(each)
    return kept.rows


TWO_LINES = event(OrderCreated, 1, items=(Item(sku="plum", quantity=2, unit_price_minor=10),) * 2)
ADDED = event(ItemAdded, 2, item=Item(sku="plum", quantity=5, unit_price_minor=10))


def test_a_customer_sees_each_order_with_its_newest_total() -> None:
    assert rows(customer_orders, TWO_LINES, ADDED, event(OrderCancelled, 3)) == {
        (CUSTOMER_ID, ORDER_ID): customer_orders.Row(CUSTOMER_ID, ORDER_ID, "R-1", "cancelled", "GBP", 90, PLACED_AT)
    }


@pytest.mark.parametrize(
    ("end", "ended"), [(event(OrderConfirmed, 3), (1, 90, 0, 0)), (event(OrderCancelled, 3), (0, 0, 1, 90))]
)
def test_a_day_counts_every_order_once_and_once_more_by_its_end(end: Event, ended: tuple[int, ...]) -> None:
    assert rows(daily_sales, TWO_LINES, ADDED) == {("2023-11-14", "GBP"): daily_sales.Row(1, 90)}
    assert rows(daily_sales, TWO_LINES, ADDED, end) == {("2023-11-14", "GBP"): daily_sales.Row(1, 90, *ended)}


@pytest.mark.parametrize(("end", "ended"), [(event(OrderConfirmed, 3), (9, 0)), (event(OrderCancelled, 3), (0, 9))])
def test_a_product_counts_its_lines_and_quantities(end: Event, ended: tuple[int, int]) -> None:
    assert rows(product_demand, TWO_LINES, ADDED) == {("plum",): product_demand.Row(3, 9)}
    assert rows(product_demand, TWO_LINES, ADDED, end) == {("plum",): product_demand.Row(3, 9, *ended)}


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - naive bounds
def test_a_moment_belongs_to_its_day_in_utc(moment: datetime) -> None:
    assert day_of((moment - EPOCH) // timedelta(microseconds=1)) == moment.date().isoformat()


@pytest.mark.parametrize("moment", [-(2**63), 2**63 - 1])
def test_a_moment_outside_the_calendar_is_refused_for_good(moment: int) -> None:
    with pytest.raises(PermanentError, match="no calendar"):
        day_of(moment)
