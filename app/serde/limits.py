"""What msgspec does not see, or not at the speed of the hot path: ids, control characters, the worth of all items.

Fields have their limits in their types; these checks are of an event that was converted to its type already.
"""

import re
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, get_type_hints

from app.domain.events import Event, Item
from app.domain.fields import MAX_MINOR, Name, Sealed, Text
from app.serde.errors import InvalidEventError

_SHAPE_OF_IDS = b"00000000-0000-0000-0000-000000000000" * 4
_DIGITS_TO_ZERO = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
# what the key of a person makes of a text, be it of one letter
_SEALED = re.compile("[A-Za-z0-9_-]{60,}={0,2}").fullmatch
BREAKS_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Limits:
    """The limits of one event type that its fields' types do not say. `check` raises `InvalidEventError`."""

    def __init__(self, event_type: type[Event]) -> None:
        hints = get_type_hints(event_type, include_extras=True)
        self._name = event_type.__name__
        self._texts_of = _all_of([name for name, hint in hints.items() if hint in (Name, Text, Sealed)])
        self._sealed_of = _all_of([name for name, hint in hints.items() if hint == Sealed])
        self._items_of = _items_of(hints)
        self._has_currency = "currency" in hints

    def check(self, event: Any) -> None:
        ids = event.event_id + event.order_id + event.correlation_id + event.causation_id
        if not ids.isascii() or ids.encode().translate(_DIGITS_TO_ZERO) != _SHAPE_OF_IDS:
            raise InvalidEventError(f"{self._name}: one of its ids is no UUID in lower case; mend its producer")
        if self._has_currency and not is_currency(event.currency):
            raise InvalidEventError(f"{self._name}: {event.currency!r} is no currency such as GBP; mend its producer")
        texts = "".join(self._texts_of(event))
        if self._items_of is not None:
            worth = 0
            for item in self._items_of(event):
                texts += item.sku
                worth += item.quantity * item.unit_price_minor
            if worth > MAX_MINOR:
                raise InvalidEventError(f"{self._name}: its items are worth more than {MAX_MINOR}; mend its producer")
        # isprintable is fast but refuses more than we do (a no-break space), so a refusal is looked at again
        if not texts.isprintable() and (found := BREAKS_TEXT.search(texts)):
            raise InvalidEventError(f"{self._name}: a text holds {found[0]!r}; mend its producer")

    def check_sealed(self, event: Any) -> None:
        """Before it is written: an `InvalidEventError` for what is personal and in plain, which it does not repeat."""
        if not all(_SEALED(text) for text in self._sealed_of(event) if text):
            raise InvalidEventError(f"{self._name}: what is personal is not sealed; seal it by `app.people`")


@cache
def limits_of(event_type: type[Event]) -> Limits:
    return Limits(event_type)


def is_currency(text: str) -> bool:
    return text.isascii() and text.isalpha() and text.isupper()


def _all_of(names: list[str]) -> Callable[[Event], tuple[str, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda event: ()
    only: Callable[[Event], str] = attrgetter(names[0])
    return lambda event: (only(event),)


def _items_of(hints: dict[str, Any]) -> Callable[[Any], tuple[Item, ...]] | None:
    if "items" in hints:
        return attrgetter("items")
    return (lambda event: (event.item,)) if "item" in hints else None
