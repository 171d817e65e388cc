"""Reads the orders of a shop from a CSV with the columns of the data set Online Retail (UCI): one order an invoice.

Times are local in London; prices are pounds. A line that is no sale is rejected with a reason, never guessed at.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from app.cli.producing.orders import PlannedOrder, order_id
from app.domain.events import Item
from app.errors import SetupError

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
NEEDED = {"InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"}

_ZONE = ZoneInfo("Europe/London")
_DIGITS = 20  # fewer than Decimal counts with, so that no product is rounded
_LARGEST = 10**12
_DATE_FORMS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%y %H:%M")


class RejectedLine(msgspec.Struct, frozen=True):
    """A line of the file (from 1, the header is line 1) that is part of no order, as it was read."""

    line: int
    reason: str
    row: tuple[str, ...]


class Shop(msgspec.Struct, frozen=True):
    """The orders of a file in the order of their first lines, and its rejected lines."""

    orders: tuple[PlannedOrder, ...]
    rejected: tuple[RejectedLine, ...]


class _Sale(msgspec.Struct, frozen=True):
    invoice: str
    customer_id: str
    placed_at: datetime
    item: Item


class _NoSaleError(Exception):
    pass


def read_shop(path: Path) -> Shop:
    """Reads a whole file. Bytes that are no UTF-8 are kept as they are; no line ends the reading."""
    sales: dict[str, list[_Sale]] = {}
    rejected: list[RejectedLine] = []
    for line, row, fields in _lines(path):
        try:
            sale = _sale(fields)
            first = sales.setdefault(sale.invoice, [sale])[0]
            if first.customer_id != sale.customer_id:
                raise _NoSaleError("another-customer")
            if first is not sale:
                sales[sale.invoice].append(sale)
        except _NoSaleError as no_sale:
            rejected.append(RejectedLine(line, str(no_sale), tuple(row)))
    return Shop(tuple(_order(lines) for lines in sales.values()), tuple(rejected))


def write_rejects(path: Path, rejected: tuple[RejectedLine, ...]) -> None:
    """A CSV of them: line, reason, and the fields as they were."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "reason", *COLUMNS])
            writer.writerows([reject.line, reject.reason, *reject.row] for reject in rejected)
    except OSError as error:
        raise SetupError(f"rejects cannot be written to {path}: {error}; give a file with --rejects") from None


def _lines(path: Path) -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """Each row with the number of its first line (a quoted field may hold line ends) and its fields by name."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if missing := NEEDED - set(header):
                raise SetupError(f"{path} has no column {', '.join(sorted(missing))}; its first line names the columns")
            line = reader.line_num + 1
            while (row := _next(reader)) is not None:
                if row:
                    yield line, row, dict(zip(header, row, strict=False))
                line = reader.line_num + 1
    except (OSError, csv.Error) as error:
        raise SetupError(f"{path} cannot be read: {error}; give the path of a CSV file") from None


def _next(rows: Iterator[list[str]]) -> list[str] | None:
    """The next row; one field where the line is no CSV."""
    try:
        return next(rows, None)
    except csv.Error as error:
        return [str(error)]


def _sale(fields: dict[str, str]) -> _Sale:
    if not fields.keys() >= NEEDED:
        raise _NoSaleError("unreadable")
    invoice, sku = fields["InvoiceNo"].strip(), fields["StockCode"].strip()
    if invoice[:1] in {"C", "c"}:
        raise _NoSaleError("cancellation")
    if not invoice or not sku or not (invoice + sku).isprintable():
        raise _NoSaleError("unreadable")
    customer_id = fields["CustomerID"].strip().removesuffix(".0")
    if not customer_id:
        raise _NoSaleError("no-customer")
    quantity, pence = _number(fields["Quantity"]), _number(fields["UnitPrice"]) * 100
    for refused, reason in (
        (quantity <= 0, "quantity-not-positive"),
        (quantity != int(quantity), "quantity-not-whole"),
        (pence <= 0, "price-not-positive"),
        (pence != int(pence), "price-not-in-pence"),
    ):
        if refused:
            raise _NoSaleError(reason)
    item = Item(sku=sku, quantity=int(quantity), unit_price_minor=int(pence))
    return _Sale(invoice, customer_id, _moment(fields["InvoiceDate"]), item)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise _NoSaleError("no-number") from None
    if len(text) > _DIGITS or not number.is_finite() or not -_LARGEST < number < _LARGEST:
        raise _NoSaleError("no-number")
    return number


def _moment(text: str) -> datetime:
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=_ZONE).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    raise _NoSaleError("no-date")


def _order(sales: list[_Sale]) -> PlannedOrder:
    first = sales[0]
    return PlannedOrder(
        order_id=order_id("online-retail", first.invoice),
        customer_id=first.customer_id,
        currency="GBP",
        reference=first.invoice,
        placed_at=min(sale.placed_at for sale in sales).strftime("%Y-%m-%dT%H:%M:%SZ"),
        items=tuple(sale.item for sale in sales),
    )
