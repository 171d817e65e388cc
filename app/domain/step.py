"""What a rule answers: the facts that follow from one event or timer.

A rule is pure functions over (row, cause, now): `begin` answers the step of an event or timer, and may ask for
one call to the outside world; `conclude` answers the step that follows from that call's answer; `exhausted` answers
the step of a call that could not be made within its retries. A fourth one, `abandoned`, says what an operator is told
of a call that the other side will never take.
"""

from typing import Generic, TypeVar
from uuid import UUID, uuid5

import msgspec

from app.domain.events import Event, Micros
from app.sagas.instance import Failure

RowT = TypeVar("RowT")


class Timer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Wakes the row `key` at `due_at`; a later timer of the same key and name replaces an earlier one.

    `causation_id` and `correlation_id` are those of the event that set it: what the timer causes names them.
    """

    key: str
    name: str
    due_at: Micros
    causation_id: str
    correlation_id: str


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """An order has no outcome though its deadline has passed; `waits_for` names the event that does not come."""

    order_id: str
    waits_for: str
    at: Micros


class Step(msgspec.Struct, Generic[RowT], frozen=True):
    """`row` replaces the stored one (None: unchanged); `events` are emitted; `timers` are set; `call` is to be made.

    `revoked` names timers of the row that are deleted; `failures` are told to an operator.
    """

    row: RowT | None = None
    events: tuple[Event, ...] = ()
    timers: tuple[Timer, ...] = ()
    call: object | None = None
    revoked: tuple[str, ...] = ()
    failures: tuple[Failure | Overdue, ...] = ()


def caused_id(causation_id: str, name: str) -> str:
    """The id of the event `name` caused by `causation_id`: a repeated reaction emits the same event."""
    return str(uuid5(UUID(causation_id), name))
