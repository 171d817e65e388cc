"""Watches over choreographed orders: one without an outcome by its deadline is told to an operator, once.

It wraps the rules of `fulfilment`, which read what all services tell. Its timers change nothing that those decide by,
so they fire for an order whose records wait behind a failed one, too.
"""

from msgspec.structs import replace

from app.domain import fulfilment
from app.domain.events import Event, Micros, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.fulfilment import FulfilmentRow
from app.domain.step import Overdue, Step, Timer
from app.domain.streams import origin
from app.sagas.instance import Failure

OVERDUE = "overdue"
UNTOLD = "outcome-untold"
WATCHING = (OVERDUE, UNTOLD)


class Watchdog:
    """The rules of `fulfilment` for orders that have `deadline_us` from their creation to their outcome."""

    def __init__(self, deadline_us: Micros) -> None:
        self._deadline_us = deadline_us

    def begin(self, row: FulfilmentRow | None, cause: Event | Timer, now: Micros) -> Step[FulfilmentRow]:
        if isinstance(cause, Timer) and cause.name in WATCHING:
            return self._due(row, cause, now)
        return self._watched(cause, fulfilment.begin(row, cause, now))

    def conclude(
        self, row: FulfilmentRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
    ) -> Step[FulfilmentRow]:
        return self._watched(cause, fulfilment.conclude(row, cause, call, answer, now))

    def exhausted(
        self, row: FulfilmentRow | None, cause: Event | Timer, call: object, now: Micros
    ) -> Step[FulfilmentRow]:
        return self._watched(cause, fulfilment.exhausted(row, cause, call, now))

    def abandoned(self, cause: Event | Timer, call: object, error: str, now: Micros) -> tuple[Failure, ...]:
        return fulfilment.abandoned(cause, call, error, now)

    def _watched(self, cause: Event | Timer, step: Step[FulfilmentRow]) -> Step[FulfilmentRow]:
        if step.row is None:
            return step
        match cause:
            case OrderCreated(fulfilment="choreography") if not step.row.ended:
                timer = self._timer(OVERDUE, cause, cause.occurred_at)
                return replace(step, timers=(*step.timers, timer))
            case OrderConfirmed() | OrderCancelled():
                return replace(step, revoked=WATCHING)
            case _:
                return step

    def _due(self, row: FulfilmentRow | None, cause: Timer, now: Micros) -> Step[FulfilmentRow]:
        if row is None or row.ended:
            return Step()
        if row.answered and cause.name == OVERDUE:  # its outcome is in the store, on its way to the topic
            return Step(timers=(self._timer(UNTOLD, cause, now),))
        overdue = Overdue(order_id=cause.key, waits_for=fulfilment.awaited(row), at=now)
        return Step(row=replace(row, overdue=True), failures=(overdue,))

    def _timer(self, name: str, cause: Event | Timer, since: Micros) -> Timer:
        order_id, causation_id, correlation_id = origin(cause)
        return Timer(order_id, name, since + self._deadline_us, causation_id, correlation_id)
