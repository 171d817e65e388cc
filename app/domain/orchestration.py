"""Runs the fulfilment saga of an orchestrated order: replies in, commands to the services and decisions out.

A choreographed order has no row here: whatever is told of it has no effect.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from app.domain.calls import Cancel, Confirm, Decided, Superseded
from app.domain.events import Event, EventVoided, Micros, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.fulfilment_saga import FULFILMENT, SAGAS, unanswered
from app.domain.orchestrated import DECISIONS, OrchestrationRow, Placed, decision, sent
from app.domain.requests import ResolveStep, RetryStep, SagaOperation, SkipStep
from app.domain.service import UNAVAILABLE
from app.domain.step import Step, Timer
from app.domain.streams import is_new, noted, origin
from app.sagas import machine
from app.sagas.instance import Abort, Action, Cause, Command, Failure, Operate, Reply, Transition
from app.sagas.instance import Timer as SagaTimer
from app.sagas.operations import OperationRefusedError

_ACTIONS: dict[type[Event], Action] = {RetryStep: "retry", SkipStep: "skip", ResolveStep: "resolve"}


class Advance(Struct, frozen=True):
    """What a cause leads to, as far as nothing outside has to answer."""

    row: OrchestrationRow
    transitions: tuple[Transition, ...] = ()

    @property
    def commands(self) -> list[Command]:
        return [transition.command for transition in self.transitions if transition.command is not None]

    @property
    def decision(self) -> Command | None:
        """What is to be asked of the store."""
        return next((command for command in self.commands if command.name in DECISIONS), None)


def check(rows: Iterable[OrchestrationRow]) -> None:
    """Raises a `MissingVersionError` where a saga is under way on a version that is not there."""
    SAGAS.check(row.saga for row in rows)


def begin(row: OrchestrationRow | None, cause: Event | Timer, now: Micros) -> Step[OrchestrationRow]:
    advance = _advance(row, cause, now)
    if advance is None or (isinstance(cause, OrderConfirmed | OrderCancelled) and not advance.transitions):
        return Step()  # the saga decided it itself: that is not even noted, since nothing follows
    if advance.decision is None:
        return _step(advance, cause, now)
    return Step(call=decision(advance.row, advance.decision, cause, _delivered(advance.row)))


def conclude(
    row: OrchestrationRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[OrchestrationRow]:
    match call, answer:
        case Confirm(), Decided():
            name = OrderConfirmed.__name__
        case Confirm(), Superseded():
            name = Superseded.__name__
        case Cancel(), Decided() | Superseded():  # it was cancelled before: only the saga itself confirms
            name = OrderCancelled.__name__
        case _:
            raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")
    advance = _advance(row, cause, now)
    if advance is None or advance.decision is None:
        raise TypeError(f"{type(call).__name__} was not asked for")
    asked = advance.decision.id
    return _step(_proceed(advance, Reply(name, asked, asked), now), cause, now)


def exhausted(row: OrchestrationRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[OrchestrationRow]:
    """The decision is asked for again when its timeout has passed."""
    advance = _advance(row, cause, now)
    return Step() if advance is None else _step(advance, cause, now)


def abandoned(cause: Event | Timer, call: object, error: str, now: Micros) -> tuple[Failure, ...]:
    """The record is dead, and its letter tells."""
    return ()


def _advance(row: OrchestrationRow | None, cause: Event | Timer, now: Micros) -> Advance | None:
    """None when the cause was seen before, comes after the end, or is about an order without a saga."""
    if row is None:
        return _begun(cause, now) if isinstance(cause, OrderCreated) else None
    if isinstance(cause, Timer):
        return _proceed(Advance(row), SagaTimer(cause.name, cause.due_at), now)
    if isinstance(cause, SagaOperation):
        return _operated(row, cause, now)
    if (isinstance(cause, EventVoided) and cause.is_after_end) or not is_new(row, cause):
        return None
    advance = Advance(noted(row, cause))
    if isinstance(cause, OrderCancelled):
        advance = _proceed(advance, Abort(cause.event_id, cause.reason), now)
    return _proceed(advance, _reply(cause), now)


def _reply(cause: Event) -> Reply:
    is_unanswered = getattr(cause, "code", "") == UNAVAILABLE.code
    name = unanswered(type(cause)) if is_unanswered else type(cause).__name__
    return Reply(name, cause.event_id, cause.causation_id, getattr(cause, "reason", ""))


def _begun(cause: OrderCreated, now: Micros) -> Advance | None:
    if cause.fulfilment != "orchestration":
        return None
    begun = machine.begin(SAGAS.newest(FULFILMENT), cause.order_id, cause.event_id, now)
    if begun.instance is None:
        return None
    placed = Placed(cause.customer_id, cause.currency, cause.items)
    row = OrchestrationRow(cause.version, placed, begun.instance, orders=cause.version)
    return Advance(row, (begun,))


def _operated(row: OrchestrationRow, cause: SagaOperation, now: Micros) -> Advance | None:
    """An operator whose command is refused by now was overtaken: it has no effect."""
    operation = Operate(
        id=cause.event_id,
        action=_ACTIONS[type(cause)],
        step=cause.step,
        operator=cause.operator,
        reason=cause.reason,
    )
    try:
        return _proceed(Advance(row), operation, now)
    except OperationRefusedError:
        return None


def _proceed(advance: Advance, cause: Cause, now: Micros) -> Advance:
    row = advance.row
    transition = machine.proceed(SAGAS.of(row.saga), row.saga, cause, now)
    if transition.instance is None:
        return advance
    placed = None if transition.instance.ended else row.placed
    return Advance(replace(row, saga=transition.instance, placed=placed), (*advance.transitions, transition))


def _delivered(row: OrchestrationRow) -> str:
    """The id of the event that led to the pivot."""
    return row.saga.steps[SAGAS.of(row.saga).pivot - 1].do.cause


def _step(advance: Advance, cause: Event | Timer, now: Micros) -> Step[OrchestrationRow]:
    row, events = advance.row, []
    for command in advance.commands:
        if command.name not in DECISIONS:
            row, event = sent(row, command, cause, now)
            events.append(event)
    timers, revoked = _timers(advance.transitions)
    order_id, causation_id, correlation_id = origin(cause)
    return Step(
        row=row,
        events=tuple(events),
        timers=tuple(Timer(order_id, name, at, causation_id, correlation_id) for name, at in timers.items()),
        revoked=tuple(revoked),
        failures=tuple(one.failure for one in advance.transitions if one.failure is not None),
    )


def _timers(transitions: Iterable[Transition]) -> tuple[dict[str, Micros], set[str]]:
    """Those that are set and those that are revoked, as the last transition leaves them."""
    due: dict[str, Micros] = {}
    revoked: set[str] = set()
    for transition in transitions:
        for timer in transition.timers:
            due[timer.name] = timer.due_at
            revoked.discard(timer.name)
        for name in transition.revoked:
            due.pop(name, None)
            revoked.add(name)
    return due, revoked
