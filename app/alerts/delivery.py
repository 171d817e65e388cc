"""Delivers each alert of the topic once: what has come again is known by its row, what was not taken is tried again.

Its rules are those of a reaction: see `app.domain.step`.
"""

from msgspec import Struct

from app.alerts.port import Alert
from app.domain.events import Micros
from app.domain.step import Step, Timer

SEND_AGAIN = "send-again"
SEND_AGAIN_S = 60


class AlertRow(Struct, frozen=True, array_like=True, gc=False):
    """One alert, kept while it is not delivered."""

    waiting: Alert | None = None


def begin(row: AlertRow | None, cause: Alert | Timer, now: Micros) -> Step[AlertRow]:
    if not isinstance(cause, Timer):
        return Step(call=cause) if row is None else Step()
    return Step(call=None if row is None else row.waiting)


def conclude(row: AlertRow | None, cause: Alert | Timer, call: object, answer: object, now: Micros) -> Step[AlertRow]:
    return Step(row=AlertRow())


def exhausted(row: AlertRow | None, cause: Alert | Timer, call: Alert, now: Micros) -> Step[AlertRow]:
    """An alert is never given up: its receiver may be away for longer than the retries of a record last."""
    due_at = now + SEND_AGAIN_S * 1_000_000
    again = Timer(key=call.id, name=SEND_AGAIN, due_at=due_at, causation_id="", correlation_id="")
    return Step(row=AlertRow(call), timers=(again,))


def abandoned(cause: Alert | Timer, call: Alert, error: str, now: Micros) -> tuple[Alert, ...]:
    """An alert about an alert would be refused as well; its letter tells."""
    return ()
