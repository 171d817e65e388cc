"""The stream of one order in one topic: which version comes next, and the envelope of the next event."""

from typing import TypedDict

from app.domain.events import Event, Micros
from app.domain.step import caused_id
from app.errors import PermanentError


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
