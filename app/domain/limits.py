"""What an order may hold, so that its rows, events and sums stay bounded in every part of the system."""

import re
from collections.abc import Iterable
from typing import ClassVar
from uuid import UUID

from app.domain.events import Item, Micros
from app.errors import RefusedError

MAX_ITEMS = 1_000
MAX_QUANTITY = 1_000_000
MAX_TOTAL_MINOR = 10**13  # the sum of a million such orders still fits 64 bits
MAX_TEXT = 100
END_OF_TIME: Micros = 253_402_300_800_000_000  # the year 10000: most calendars end before it


class OrderRefusedError(RefusedError):
    """The rules of orders refuse the command; `code` names the rule."""

    code: ClassVar[str]


class InvalidOrderError(OrderRefusedError):
    """The order would break a limit: that of `field`."""

    code = "ORDER_INVALID"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}; mend the command and send it again")
        self.field = field


def check_header(order_id: str, customer_id: str, currency: str, reference: str, placed_at: Micros) -> None:
    _require(_is_uuid(order_id), "order_id", "is a UUID in its usual text form")
    _require(_is_text(customer_id) and customer_id != "", "customer_id", f"is 1 to {MAX_TEXT} printable characters")
    _require(re.fullmatch("[A-Z]{3}", currency) is not None, "currency", "is three capital letters, such as GBP")
    _require(_is_text(reference), "reference", f"is at most {MAX_TEXT} printable characters")
    _require(0 < placed_at < END_OF_TIME, "placed_at", "is after 1970 and before the year 10000")


def check_items(items: Iterable[Item], *, count: int, total_minor: int) -> None:
    """Checks these items, in an order that has `count` of them for `total_minor` when they are in it."""
    _require(1 <= count <= MAX_ITEMS, "items", f"of an order are 1 to {MAX_ITEMS}")
    for item in items:
        _require(_is_text(item.sku) and item.sku != "", "sku", f"is 1 to {MAX_TEXT} printable characters")
        _require(1 <= item.quantity <= MAX_QUANTITY, "quantity", f"is 1 to {MAX_QUANTITY}")
        _require(item.unit_price_minor >= 0, "unit_price_minor", "is not negative")
    _require(total_minor <= MAX_TOTAL_MINOR, "total_minor", f"of an order is at most {MAX_TOTAL_MINOR}")


def _require(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise InvalidOrderError(field, rule)


def _is_text(text: str) -> bool:
    return len(text) <= MAX_TEXT and (text == "" or text.isprintable())


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
