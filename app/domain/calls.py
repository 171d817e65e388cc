"""What reactions ask of the outside world, and what it answers. Data only; adapters in `app.gateways` perform them.

Every effect is idempotent by its key (`order_id`, `order_version`). A voided key never has effect again: a charge,
reservation or delivery asked for later under it is answered `Voided`, so a worker that wakes up late changes nothing.
"""

import msgspec

from app.domain.events import Item, RefusalCode


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Answered `Charged`, `Refused` or `Voided`."""

    order_id: str
    order_version: int
    customer_id: str
    currency: str
    amount_minor: int


class VoidCharges(msgspec.Struct, frozen=True, kw_only=True):
    """Gives back what is charged or held. Answered `Refunds`, with what each key that had been charged gave back, now
    or when it was voided before; or `Refused`, when nothing is given back for any of them."""

    order_id: str
    order_versions: tuple[int, ...]


class Charged(msgspec.Struct, frozen=True):
    payment_id: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Sets the amount aside, to be captured or voided. Answered `Held`, `Refused` or `Voided`."""

    order_id: str
    order_version: int
    customer_id: str
    currency: str
    amount_minor: int


class Held(msgspec.Struct, frozen=True):
    payment_id: str


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Charges what is held. Answered `Captured`, or `Refused` when it cannot be had any more."""

    order_id: str
    order_version: int


class Captured(msgspec.Struct, frozen=True):
    currency: str
    amount_minor: int


class Refund(msgspec.Struct, frozen=True):
    order_version: int
    currency: str
    amount_minor: int


class Refunds(msgspec.Struct, frozen=True):
    refunds: tuple[Refund, ...]


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """All lines of one order version or none. Answered `Reserved`, `Refused` (with `sku`) or `Voided`."""

    order_id: str
    order_version: int
    items: tuple[Item, ...]


class ReleaseStock(msgspec.Struct, frozen=True, kw_only=True):
    """Answered with the versions that had been reserved, released now or before."""

    order_id: str
    order_versions: tuple[int, ...]


class Reserved(msgspec.Struct, frozen=True):
    pass


class Released(msgspec.Struct, frozen=True):
    order_versions: tuple[int, ...]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Answered `Scheduled`, `Refused` or `Voided`."""

    order_id: str
    order_version: int
    customer_id: str


class CancelDeliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Answered with the deliveries that had been scheduled, cancelled now or before."""

    order_id: str
    order_versions: tuple[int, ...]


class Scheduled(msgspec.Struct, frozen=True):
    delivery_id: str


class CancelledDelivery(msgspec.Struct, frozen=True):
    order_version: int
    delivery_id: str


class CancelledDeliveries(msgspec.Struct, frozen=True):
    deliveries: tuple[CancelledDelivery, ...]


class Refused(msgspec.Struct, frozen=True):
    """The other side will not do it: an answer, not an error. `reason` is in its words, `code` is one of ours."""

    reason: str
    sku: str = ""
    code: RefusalCode = "declined"


class Voided(msgspec.Struct, frozen=True):
    """The key was voided before: nothing was done, nothing ever will be."""


class Confirm(msgspec.Struct, frozen=True, kw_only=True):
    """Confirm the order at exactly `order_version`. Answered `Decided`, or `Superseded` when it has another version."""

    order_id: str
    order_version: int
    causation_id: str
    correlation_id: str


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """Cancel the order at whatever version it has. Answered `Decided`, or `Superseded` when it has ended already."""

    order_id: str
    reason: str
    causation_id: str
    correlation_id: str


class Decided(msgspec.Struct, frozen=True):
    version: int


class Superseded(msgspec.Struct, frozen=True):
    actual: int
