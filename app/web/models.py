"""The bodies of the command API: what a request may hold, and the answers. The OpenAPI page is made from these."""

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from app.domain.limits import MAX_ITEMS, MAX_QUANTITY, MAX_TEXT
from app.people.port import State

# sealed, they are within `MAX_SEALED` whatever their characters
MAX_NAME, MAX_ADDRESS = 100, 300

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_NAME = r"^[^\p{C}\p{Zl}\p{Zp}/\\]*[^\p{C}\p{Zl}\p{Zp}/\\.][^\p{C}\p{Zl}\p{Zp}/\\]*$"
PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"
_CURRENCY = r"^[A-Z]{3}$"

# what a pattern asks for, to people
WORDS = {
    _NAME: "takes printable characters without slashes, not only dots",
    PRINTABLE: "takes printable characters, without line ends",
    _CURRENCY: "takes three capital letters, like GBP",
}


def _moment(value: object) -> datetime:
    try:
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            return datetime.fromisoformat(value.upper())
    except ValueError:  # no such day, hour or offset
        pass
    raise ValueError("takes a moment of RFC 3339 with its offset, like 2011-10-06T15:20:00Z")


Name = Annotated[
    str, Field(min_length=1, max_length=64, pattern=_NAME, description="Printable, without slashes, not only dots.")
]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class Body(BaseModel):
    """Unknown members are refused: a misspelt one must not be lost in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(Body):
    """One line of an order."""

    sku: Name
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
    unit_price_minor: Annotated[int, Field(strict=True, ge=0, le=10**12, description="In the smallest unit: pence.")]


class NewOrder(Body):
    """`order_id` is made from the `Idempotency-Key`, or at random, when it is not given.

    Name and address are sealed with a key of the customer before anything is stored.
    """

    order_id: UUID | None = None
    customer_id: Name
    currency: Annotated[str, Field(pattern=_CURRENCY, examples=["GBP"])]
    reference: Annotated[str, Field(max_length=64, pattern=PRINTABLE)] = ""
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=MAX_ITEMS)]
    customer_name: Annotated[str, Field(max_length=MAX_NAME, pattern=PRINTABLE)] = ""
    delivery_address: Annotated[str, Field(max_length=MAX_ADDRESS, pattern=PRINTABLE)] = ""
    fulfilment: Literal["choreography", "orchestration"] = "choreography"
    placed_at: Annotated[Moment | None, Field(description="When the customer placed it; now, if not given.")] = None


class Cancellation(Body):
    """Why the customer cancels."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE)] = "customer"


class OrderBody(Body):
    """An order as its events up to `version` make it."""

    order_id: str
    version: int
    status: Literal["pending", "confirmed", "cancelled"]
    customer_id: str
    currency: str
    reference: str
    fulfilment: Literal["choreography", "orchestration"]
    items: list[ItemBody]
    total_minor: int
    placed_at: datetime
    reason: Annotated[str, Field(description="Why it was cancelled; else empty.")]
    personal_data: Annotated[State, Field(description="Whether name and address were given, and can be read.")]
    customer_name: str
    delivery_address: str


class Mistake(Body):
    """One thing that a request must mend."""

    at: Annotated[str, Field(examples=["items.0.quantity"])]
    message: str


class ProblemBody(BaseModel):
    """Every error answer (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    expected: Annotated[int | None, Field(description="Of VERSION_CONFLICT: the version in If-Match.")] = None
    actual: Annotated[int | None, Field(description="Of VERSION_CONFLICT: the version that the order has.")] = None
    errors: Annotated[list[Mistake] | None, Field(description="Of REQUEST_INVALID.")] = None
