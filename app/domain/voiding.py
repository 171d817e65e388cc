"""Says what may take the place of an event that cannot be read, or is wrong, and where nothing can."""

from collections.abc import Mapping

from app.domain.events import Event, EventVoided, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.fields import MAX_TEXT, Micros, Status
from app.domain.step import caused_id
from app.errors import RefusedError

_ENDS: dict[str, Status] = {OrderConfirmed.__name__: "confirmed", OrderCancelled.__name__: "cancelled"}


class NotVoidableError(RefusedError):
    """Others go by this event: nothing can take its place. The message says what to do instead."""


def voided(
    created: Event | None, kinds: Mapping[int, str], version: int, event_id: str, *, reason: str, now: Micros
) -> EventVoided:
    """The event that takes the place of `version`, under the same id.

    `kinds` names the event of each version of the order; `created` is that of version 1, None when it cannot be read.
    Raises a `NotVoidableError` for version 1, without which the others mean nothing, and for the end of an order, where
    somebody goes by it: a saga, or a later event.
    """
    if version == 1 or not isinstance(created, OrderCreated):
        raise NotVoidableError(
            "version 1 says what the order is: it cannot be skipped, and nothing behind it while it cannot be read; "
            "put back what a backup has of it"
        )
    status = _status([kind for at, kind in sorted(kinds.items()) if at < version])
    is_gone_by = created.fulfilment == "orchestration" or version < max(kinds)
    if status == "pending" and kinds[version] in _ENDS and is_gone_by:
        raise NotVoidableError(
            f"version {version} ended order {created.order_id}, and its saga or a later event goes by that; "
            "put back what a backup has of it"
        )
    return EventVoided(
        event_id=event_id,
        order_id=created.order_id,
        version=version,
        occurred_at=now,
        correlation_id=created.correlation_id,
        causation_id=caused_id(event_id, EventVoided.__name__),  # an event is skipped once
        reason=reason[:MAX_TEXT],
        status=status,
    )


def _status(kinds: list[str]) -> Status:
    """Of an order after events of these kinds."""
    ends = [_ENDS[kind] for kind in kinds if kind in _ENDS]
    return ends[-1] if ends else "pending"
