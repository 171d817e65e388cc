"""What every adapter of the event store refuses before it looks at what is stored."""

from collections.abc import Sequence
from uuid import UUID

from app.domain.events import Event
from app.errors import PoisonError
from app.eventstore.port import AppendFailedError, CommandReusedError, NoPositionError, UnreadableEventError

# of PostgreSQL's integer
MAX_VERSION = 2**31 - 1
MAX_EVENTS = 1_000


def stream_of(order_id: str) -> UUID | None:
    """The stream's key; None for an id that no order can have: it is also the key in Kafka, so only one form counts."""
    try:
        stream = UUID(order_id)
    except ValueError:
        return None
    return stream if str(stream) == order_id else None


def check_append(order_id: str, expected: int, events: Sequence[Event]) -> UUID:
    """The stream's key, when the events may follow each other in it after version `expected`."""
    stream = stream_of(order_id)
    if stream is None:
        raise AppendFailedError(f"order id {order_id!r} is not a UUID in its lower-case form; mend the command")
    if not events:
        raise AppendFailedError(f"a command without events for {order_id} has nothing to append; do not send it")
    if len(events) > MAX_EVENTS:
        raise AppendFailedError(f"a command of {len(events)} events is over the limit of {MAX_EVENTS}; split it")
    if not 0 <= expected <= MAX_VERSION - len(events):
        raise AppendFailedError(f"version {expected} of {order_id} is out of range; read the order again")
    for version, event in enumerate(events, expected + 1):
        if event.version != version or event.order_id != order_id:
            where = f"version {version} of {order_id}"
            raise AppendFailedError(f"event {event.event_id} is not {where}; decide again on what the order is now")
    return stream


def command_reused(command_id: UUID) -> CommandReusedError:
    return CommandReusedError(f"command id {command_id} belongs to another command; send this one under its own id")


def no_position(after: str) -> NoPositionError:
    return NoPositionError(f"{after!r} is no position; take one as it was given with an event")


def unreadable(which: str, why: PoisonError) -> UnreadableEventError:
    return UnreadableEventError(
        f"{which} cannot be read: {why}. `orderflow store audit` lists such events: put back what a backup has of it, "
        "or give it up by `orderflow store skip`, the newest of an order first"
    )
