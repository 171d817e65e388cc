"""The stream of one order in one topic: which version comes next, and the envelope of the next event."""

from typing import NamedTuple, TypedDict, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from app.domain.events import INVENTORY, ORDERS, PAYMENTS, SHIPPING, Event, Micros
from app.domain.requests import TO_INVENTORY, TO_PAYMENTS, TO_SHIPPING
from app.domain.step import Timer, caused_id
from app.errors import PermanentError

RowT = TypeVar("RowT", bound=Struct)

_STREAMS: dict[str, tuple[type[Event], ...]] = {
    "orders": ORDERS,
    "payments": PAYMENTS,
    "inventory": INVENTORY,
    "shipping": SHIPPING,
    "commands": (*TO_PAYMENTS, *TO_INVENTORY, *TO_SHIPPING),  # each service has a stream of them
}
_FIELDS = {kind: field for field, kinds in _STREAMS.items() for kind in kinds}


class VersionGapError(PermanentError):
    """A version of the stream is missing before this event."""

    def __init__(self, event: Event, seen: int) -> None:
        super().__init__(
            f"{type(event).__name__} of order {event.order_id} has version {event.version} after {seen}; "
            f"find version {seen + 1} among the dead letters, redrive it, then this one"
        )
        self.order_id, self.seen, self.version = event.order_id, seen, event.version


def is_next(seen: int, event: Event) -> bool:
    """Whether the event follows version `seen` of its stream; False when it was seen before.

    With 0 nothing was seen yet, and any version may be the first. Raises `VersionGapError`.
    """
    version = event.version
    if version == seen + 1 or (seen == 0 and version > 0):
        return True
    if version <= seen:
        return False
    raise VersionGapError(event, seen)


def is_new(row: Struct, cause: Event) -> bool:
    """Whether a row that notes the versions of streams in fields named after them has yet to see the event."""
    return is_next(getattr(row, _FIELDS[type(cause)]), cause)


def noted(row: RowT, cause: Event | Timer) -> RowT:
    """The row with the event's version noted; a timer has none."""
    return row if isinstance(cause, Timer) else replace(row, **{_FIELDS[type(cause)]: cause.version})


class Origin(NamedTuple):
    order_id: str
    causation_id: str
    correlation_id: str


def origin(cause: Event | Timer) -> Origin:
    """What the events and calls of this cause name; a timer stands for the event that set it."""
    if isinstance(cause, Timer):
        return Origin(cause.key, cause.causation_id, cause.correlation_id)
    return Origin(cause.order_id, cause.event_id, cause.correlation_id)


def timer_after(cause: Event | Timer, name: str, wait_s: int, now: Micros) -> Timer:
    """A timer of the order that fires `wait_s` seconds from now."""
    order_id, causation_id, correlation_id = origin(cause)
    return Timer(order_id, name, now + wait_s * 1_000_000, causation_id, correlation_id)


class Envelope(TypedDict):
    """The fields that every event has."""

    event_id: str
    order_id: str
    version: int
    occurred_at: Micros
    correlation_id: str
    causation_id: str


def envelope(
    name: str, order_id: str, version: int, *, causation_id: str, correlation_id: str, now: Micros
) -> Envelope:
    """The envelope of an event; `name` tells it from the other events with the same cause."""
    return Envelope(
        event_id=caused_id(causation_id, name),
        order_id=order_id,
        version=version,
        occurred_at=now,
        correlation_id=correlation_id,
        causation_id=causation_id,
    )
