"""Where a choreographed order stands as far as that is known, when not all that was told of it can be read. Pure."""

from collections.abc import Sequence, Set

from msgspec.structs import replace

from app.domain.events import Event, Micros
from app.domain.service import CHOREOGRAPHY
from app.inbox import choreographed
from app.sagas.instance import Instance, Progress, StepState

_UNKNOWN, _FAILED = Progress("unknown"), Progress("failed")


def unread(order_id: str, own: Sequence[Event], deadline_us: Micros, failed: Set[str] = frozenset()) -> Instance:
    """As the order's own events tell, and the services whose steps of it could not be undone; the rest is unknown.

    So is when it began, 0, without events of its own.
    """
    known = choreographed.saga(own, deadline_us) if own else _nothing(order_id)
    steps = tuple(
        _step(name, failed) if name in choreographed.SETTLED_BY else step
        for name, step in zip(choreographed.STEPS, known.steps, strict=True)
    )
    return replace(known, status="COMPENSATION_FAILED" if failed else known.status, steps=steps)


def _step(name: str, failed: Set[str]) -> StepState:
    return StepState(_UNKNOWN, _FAILED if name in failed else _UNKNOWN)


def _nothing(order_id: str) -> Instance:
    steps = tuple(StepState(_UNKNOWN, _UNKNOWN) for _ in choreographed.STEPS)
    return Instance(CHOREOGRAPHY, 1, order_id, "RUNNING", steps, began_at=0)
