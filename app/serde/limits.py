"""The limits of events: what a field may hold, checked after decoding and before encoding.

They keep every later step safe: ids are UUIDs in their one spelling, texts can be stored by PostgreSQL, dates exist,
and sums of money fit 64 bits. The check is on the hot path, so msgspec does all of it that it can.
"""

import re
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta, structs

from app.domain.events import Event, Item
from app.serde.errors import InvalidEventError

MAX_TEXT = 256
MAX_ITEMS = 10_000
MAX_QUANTITY = 1_000_000
MAX_MINOR = 10_000_000_000_000
MAX_MICROS = 253_402_300_799_999_999  # the last microsecond of the year 9999

Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Uuid = Annotated[str, Meta(min_length=36, max_length=36)]
Currency = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Minor = Annotated[int, Meta(ge=0, le=MAX_MINOR)]
Instant = Annotated[int, Meta(ge=0, le=MAX_MICROS)]

_BY_NAME: dict[str, Any] = {
    "event_id": Uuid,
    "order_id": Uuid,
    "correlation_id": Uuid,
    "causation_id": Uuid,
    "customer_id": Name,
    "delivery_id": Name,
    "currency": Currency,
    "version": Version,
    "order_version": Version,
    "occurred_at": Instant,
    "placed_at": Instant,
}
_IDS = attrgetter("event_id", "order_id", "correlation_id", "causation_id")
_SHAPE_OF_IDS = b"00000000-0000-0000-0000-000000000000" * 4
_DIGITS_TO_ZERO = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_BREAKS_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]").search


class BoundedItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An `Item` with its limits."""

    sku: Name
    quantity: Quantity
    unit_price_minor: Minor


class Limits:
    """The limits of one event type. Both checks raise `InvalidEventError`; both must have passed."""

    def __init__(self, event_type: type[Event]) -> None:
        hints = get_type_hints(event_type)
        self._name, self._bounded = event_type.__name__, _bounded(event_type)
        self._texts_of = _all_of([name for name in hints if _bounded_field(name, hints[name]) in (Name, Text)])
        self._items_of = _items_of(hints)

    def check_fields(self, fields: object) -> None:
        """Types, lengths and ranges of the fields, as Avro has them."""
        try:
            msgspec.convert(fields, self._bounded)
        except msgspec.ValidationError as error:
            raise InvalidEventError(f"{self._name}: {error}; mend its producer") from None

    def check(self, event: Event) -> None:
        """What msgspec does not see at the speed we need: UUIDs, control characters, the worth of all items."""
        ids = _IDS(event)
        if "".join(ids).encode(errors="replace").translate(_DIGITS_TO_ZERO) != _SHAPE_OF_IDS:
            raise InvalidEventError(f"{self._name}: one of {ids} is no UUID in lower case; mend its producer")
        texts = "".join(self._texts_of(event))
        if self._items_of is not None:
            items = self._items_of(event)
            texts += "".join([item.sku for item in items])
            if sum([item.total_minor for item in items]) > MAX_MINOR:
                raise InvalidEventError(f"{self._name}: its items are worth more than {MAX_MINOR}; mend its producer")
        # isprintable is fast but refuses more than we do (a no-break space), so a refusal is looked at again
        if not texts.isprintable() and (found := _BREAKS_TEXT(texts)):
            raise InvalidEventError(f"{self._name}: a text holds {found[0]!r}; mend its producer")


@cache
def limits_of(event_type: type[Event]) -> Limits:
    return Limits(event_type)


def _bounded(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct's twin whose fields carry the limits."""
    hints = get_type_hints(struct)
    fields = [
        (field.name, _bounded_field(field.name, hints[field.name]), field.default) for field in structs.fields(struct)
    ]
    return msgspec.defstruct(f"Bounded{struct.__name__}", fields, kw_only=True, gc=False)


def _bounded_field(name: str, hint: Any) -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if hint is str:
        return Text
    if hint is int:
        return Minor
    if hint is Item:
        return BoundedItem
    if hint == tuple[Item, ...]:
        return Annotated[list[BoundedItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    return hint


def _all_of(names: list[str]) -> Callable[[Event], tuple[str, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda event: tuple(getattr(event, name) for name in names)


def _items_of(hints: dict[str, Any]) -> Callable[[Any], tuple[Item, ...]] | None:
    if "items" in hints:
        return attrgetter("items")
    return (lambda event: (event.item,)) if "item" in hints else None
