"""The kinds of fields that events have, each with its limits.

msgspec checks them when an event is converted from decoded bytes. They keep every later step safe: texts can be stored
by PostgreSQL, dates exist, and sums of money fit 64 bits.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

MAX_TEXT = 256
MAX_ITEMS = 10_000
MAX_SEALED = 2_048
MAX_QUANTITY = 1_000_000
MAX_MINOR = 10_000_000_000_000

Micros: TypeAlias = int  # microseconds since the epoch, UTC
Fulfilment: TypeAlias = Literal["choreography", "orchestration"]
Status: TypeAlias = Literal["pending", "confirmed", "cancelled"]
Action: TypeAlias = Literal["retry", "skip", "resolve"]
# declined: the other side will not; unavailable: it did not answer; voided: the order was undone before; expired: what
# was held cannot be had any more; disputed: it is not given back; unknown: it was said before there were codes
RefusalCode: TypeAlias = Literal[
    "unknown", "declined", "unavailable", "voided", "out_of_stock", "unknown_sku", "expired", "disputed"
]

Uuid = Annotated[str, Meta(min_length=36, max_length=36)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Sealed = Annotated[str, Meta(max_length=MAX_SEALED)]  # personal data in cipher, see `app.people`; empty: none was given
Currency = Annotated[str, Meta(min_length=3, max_length=3)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Minor = Annotated[int, Meta(ge=0, le=MAX_MINOR)]
Instant = Annotated[Micros, Meta(ge=0, le=253_402_300_799_999_999)]  # until the last microsecond of the year 9999
