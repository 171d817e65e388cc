"""Invoices of a CSV become orders; what is no sale is rejected with its line and reason."""

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.producing.online_retail import Shop, read_shop
from app.cli.producing.orders import needed_stock
from app.cli.producing.shop_file import COLUMNS, write_rejects
from app.domain.events import Item
from app.errors import SetupError

HEADER = ",".join(COLUMNS)
SALE = "536365,85123A,HOLDER ,6,2011-10-06 16:20:00,2.55,17850.0,United Kingdom"


def shop(directory: Path, *lines: str, header: str = HEADER) -> Shop:
    path = directory / "shop.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return read_shop(path)


def test_the_lines_of_an_invoice_are_the_items_of_one_order(tmp_path: Path) -> None:
    (order,) = shop(tmp_path, SALE, SALE.replace("85123A", "71053"), SALE).orders
    assert (order.reference, order.customer_id, order.currency) == ("536365", "17850", "GBP")
    bought = Item(sku="85123A", quantity=6, unit_price_minor=255)
    assert order.items == (bought, Item(sku="71053", quantity=6, unit_price_minor=255), bought)


def test_an_invoice_has_the_same_order_id_in_every_run(tmp_path: Path) -> None:
    first, second = shop(tmp_path, SALE), shop(tmp_path, SALE.replace("71053", "x"), SALE.replace("536365", "536366"))
    assert first.orders[0].order_id == second.orders[0].order_id
    assert second.orders[0].order_id != second.orders[1].order_id


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2011-10-06 16:20:00", "2011-10-06T15:20:00Z"),
        ("2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
        ("12/1/10 8:26", "2010-12-01T08:26:00Z"),
        ("6/30/11 23:59", "2011-06-30T22:59:00Z"),
    ],
)
def test_both_forms_of_a_date_are_read_as_london_time(tmp_path: Path, local: str, utc: str) -> None:
    assert shop(tmp_path, SALE.replace("2011-10-06 16:20:00", local)).orders[0].placed_at == utc


def test_of_several_dates_the_earliest_counts(tmp_path: Path) -> None:
    (order,) = shop(tmp_path, SALE, SALE.replace("16:20", "16:19"), SALE.replace("16:20", "16:21")).orders
    assert order.placed_at == "2011-10-06T15:19:00Z"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("536365", "C536365", "cancellation"),
        ("17850.0", "", "no-customer"),
        (",6,", ",-6,", "quantity-not-positive"),
        (",6,", ",0,", "quantity-not-positive"),
        (",6,", ",1.5,", "quantity-not-whole"),
        (",6,", ",six,", "no-number"),
        (",6,", ",NaN,", "no-number"),
        (",6,", ",1e999999999,", "no-number"),
        ("2.55", "0", "price-not-positive"),
        ("2.55", "-2.55", "price-not-positive"),
        ("2.55", "2.555", "price-not-in-pence"),
        ("2.55", "2.5500000000000000000000000000001", "no-number"),
        ("2011-10-06 16:20:00", "yesterday", "no-date"),
        ("2011-10-06 16:20:00", "2011-13-06 16:20:00", "no-date"),
        ("85123A", "TE/A", "stock-code-not-allowed"),
        ("85123A", "T" * 100, "stock-code-not-allowed"),
        ("17850.0", "a/b", "customer-not-allowed"),
        ("536365", "5" * 100, "invoice-number-not-allowed"),
        (",6,", ",99999999,", "quantity-too-large"),
        ("2.55", "99999999999", "price-too-large"),
        (",6,2011-10-06 16:20:00,2.55,", ",1000000,2011-10-06 16:20:00,99999999,", "total-too-large"),
        ("2011", "1969", "date-not-allowed"),
        ("85123A", "", "unreadable"),
        (",17850.0,United Kingdom", "", "unreadable"),
    ],
)
def test_a_line_that_is_no_sale_is_rejected(tmp_path: Path, old: str, new: str, reason: str) -> None:
    read = shop(tmp_path, SALE.replace("536365", "536300"), SALE.replace(old, new, 1))
    assert len(read.orders) == 1
    assert [(reject.line, reject.reason) for reject in read.rejected] == [(3, reason)]


def test_lines_that_an_order_cannot_take_any_more_are_rejected_and_need_no_stock(tmp_path: Path) -> None:
    read = shop(tmp_path, *[SALE] * 1_002)
    assert len(read.orders[0].items) == 1_000
    assert [(reject.line, reject.reason) for reject in read.rejected] == [
        (1_002, "too-many-lines"),
        (1_003, "too-many-lines"),
    ]
    assert needed_stock(read.orders) == {"85123A": 6_000}


def test_a_line_of_another_customer_does_not_join_an_invoice(tmp_path: Path) -> None:
    read = shop(tmp_path, SALE, SALE.replace("17850", "17851"))
    assert [reject.reason for reject in read.rejected] == ["another-customer"]
    assert read.orders[0].customer_id == "17850"


def test_lines_are_counted_in_the_file_even_when_a_field_holds_line_ends(tmp_path: Path) -> None:
    read = shop(tmp_path, SALE.replace("HOLDER ", '"A\nHOLDER"'), "", SALE.replace("17850.0", ""))
    assert [reject.line for reject in read.rejected] == [5]


def test_a_field_that_is_too_large_rejects_its_line_only(tmp_path: Path) -> None:
    read = shop(tmp_path, SALE.replace("HOLDER", "x" * 200_000), SALE)
    assert [(reject.line, reject.reason) for reject in read.rejected] == [(2, "unreadable")]
    assert len(read.orders) == 1


def test_rejects_are_written_with_line_reason_and_the_fields_as_they_were(tmp_path: Path) -> None:
    path, rejects = tmp_path / "shop.csv", tmp_path / "out" / "rejects.csv"
    path.write_bytes(HEADER.encode() + b"\n" + SALE.replace("17850.0", "").encode().replace(b"HOLDER ", b"50\xa3 \xff"))
    write_rejects(rejects, read_shop(path).rejected)
    assert b"50\xa3 \xff" in rejects.read_bytes()
    with rejects.open(newline="", errors="surrogateescape") as file:
        (row,) = csv.DictReader(file)
    assert (row["line"], row["reason"], row["InvoiceNo"], row["CustomerID"]) == ("2", "no-customer", "536365", "")


def test_a_file_without_the_columns_is_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no column InvoiceDate, UnitPrice"):
        shop(tmp_path, header="InvoiceNo,StockCode,Quantity,CustomerID")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be read"):
        read_shop(tmp_path / "none.csv")


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    header = ",".join(reversed(COLUMNS))
    assert shop(tmp_path, ",".join(reversed(SALE.split(","))), header=header).orders == shop(tmp_path, SALE).orders


@given(st.lists(st.lists(st.text(max_size=12), max_size=9), max_size=20))
def test_no_file_ends_the_reading_and_every_line_is_kept(rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "any.csv"
        with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            csv.writer(file).writerows([list(COLUMNS), *rows])
        read = read_shop(path)
    filled = [row for row in rows if row]
    assert sum(len(order.items) for order in read.orders) + len(read.rejected) == len(filled)


def test_the_stock_that_orders_need_is_the_sum_by_sku(tmp_path: Path) -> None:
    read = shop(tmp_path, SALE, SALE.replace("536365", "536366"), SALE.replace("85123A", "71053"))
    assert needed_stock(read.orders) == {"71053": 6, "85123A": 12}
