"""Reads the orders of a shop from a CSV with the columns of the data set Online Retail (UCI): one order an invoice.

Times are local in London; prices are pounds. A line that is no sale is rejected with a reason, never guessed at.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from app.cli.producing.acceptable import refused_header, refused_item
from app.cli.producing.orders import PlannedOrder, order_id
from app.cli.producing.shop_file import NEEDED, RejectedLine, lines
from app.domain.events import Item

_ZONE = ZoneInfo("Europe/London")
_DIGITS = 20  # fewer than Decimal counts with, so that no product is rounded
_LARGEST = 10**12
_CURRENCY = "GBP"
# why a line is rejected for a field that the API would not take
_REFUSED = {
    "sku": "stock-code-not-allowed",
    "customer_id": "customer-not-allowed",
    "reference": "invoice-number-not-allowed",
    "placed_at": "date-not-allowed",
    "quantity": "quantity-too-large",
    "unit_price_minor": "price-too-large",
    "items": "too-many-lines",
    "total_minor": "total-too-large",
}
_DATE_FORMS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%y %H:%M")


class Shop(msgspec.Struct, frozen=True):
    """The orders of a file in the order of their first lines, the lines of each by its id, and the rejected lines."""

    orders: tuple[PlannedOrder, ...]
    lines: dict[str, tuple[int, ...]]
    rejected: tuple[RejectedLine, ...]


class _Sale(msgspec.Struct, frozen=True):
    invoice: str
    customer_id: str
    placed_at: datetime
    item: Item


class _Invoice(msgspec.Struct):
    number: str
    customer_id: str
    placed_at: datetime
    items: list[Item] = []
    lines: list[int] = []
    total_minor: int = 0

    def add(self, sale: _Sale, line: int) -> None:
        """One more line, when it belongs to this order and the API would take the order with it."""
        if sale.customer_id != self.customer_id:
            raise _NoSaleError("another-customer")
        total_minor = self.total_minor + sale.item.total_minor
        refused = refused_header(sale.customer_id, _CURRENCY, sale.invoice, sale.placed_at) or refused_item(
            sale.item, count=len(self.items) + 1, total_minor=total_minor
        )
        if refused is not None:
            raise _NoSaleError(_REFUSED[refused])
        self.items.append(sale.item)
        self.lines.append(line)
        self.placed_at, self.total_minor = min(self.placed_at, sale.placed_at), total_minor


class _NoSaleError(Exception):
    pass


def read_shop(path: Path) -> Shop:
    """Reads a whole file. Bytes that are no UTF-8 are kept as they are; no line ends the reading."""
    invoices: dict[str, _Invoice] = {}
    rejected: list[RejectedLine] = []
    for line, row, fields in lines(path):
        try:
            sale = _sale(fields)
            invoice = invoices.get(sale.invoice) or _Invoice(sale.invoice, sale.customer_id, sale.placed_at)
            invoice.add(sale, line)
            invoices[sale.invoice] = invoice
        except _NoSaleError as no_sale:
            rejected.append(RejectedLine(line, str(no_sale), tuple(row)))
    orders = {_order(invoice): tuple(invoice.lines) for invoice in invoices.values()}
    return Shop(tuple(orders), {order.order_id: at for order, at in orders.items()}, tuple(rejected))


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


def _order(invoice: _Invoice) -> PlannedOrder:
    return PlannedOrder(
        order_id=order_id("online-retail", invoice.number),
        customer_id=invoice.customer_id,
        currency=_CURRENCY,
        reference=invoice.number,
        placed_at=invoice.placed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        items=tuple(invoice.items),
    )
