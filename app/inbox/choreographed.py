"""Tells where a choreographed order stands, from its events: in the words of a saga, though no orchestrator runs it."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from app.domain.events import (
    Answer,
    DeliveryCancelled,
    DeliveryCancelRefused,
    DeliveryRejected,
    DeliveryScheduled,
    Event,
    EventVoided,
    ItemAdded,
    Micros,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PaymentReleaseRefused,
    StockRejected,
    StockReleased,
    StockReleaseRefused,
    StockReserved,
)
from app.domain.requests import SettleDelivery, Settlement, SettleRefund, SettleStock
from app.domain.service import CHOREOGRAPHY
from app.sagas.instance import Action, Instance, Operate, Operation, Progress, State, Status, StepState
from app.sagas.operations import NotFailedError, UnknownStepError

STEPS = ("order", "payment", "stock", "delivery", "confirm")
# by step, what an operator settles it with
SETTLED_BY: dict[str, type[Settlement]] = {"payment": SettleRefund, "stock": SettleStock, "delivery": SettleDelivery}
_SETTLED: dict[Action, State] = {"retry": "asked", "skip": "skipped", "resolve": "resolved"}


class _Service(Struct, frozen=True):
    """What a service tells of the versions of an order; it begins after an event of another one."""

    after: type[Answer] | None
    done: type[Answer]
    refused: type[Answer]
    undone: type[Answer]
    not_undone: type[Answer]
    settled_by: type[Settlement]


_SERVICES = (
    _Service(None, PaymentCompleted, PaymentFailed, PaymentRefunded, PaymentReleaseRefused, SettleRefund),
    _Service(PaymentCompleted, StockReserved, StockRejected, StockReleased, StockReleaseRefused, SettleStock),
    _Service(
        StockReserved, DeliveryScheduled, DeliveryRejected, DeliveryCancelled, DeliveryCancelRefused, SettleDelivery
    ),
)


def saga(events: Sequence[Event], deadline_us: Micros) -> Instance:
    """The order of these events, in the order of their times; the first is `OrderCreated`."""
    # what stands in place of an event has its id, and the topic may hold both
    voided = {event.event_id for event in events if isinstance(event, EventVoided)}
    events = [event for event in events if event.event_id not in voided]
    created = events[0]
    ended = next((event for event in events if isinstance(event, OrderConfirmed | OrderCancelled)), None)
    back = isinstance(ended, OrderCancelled) or any(_refusals(events))
    services = _services(events, back=back)
    confirm = _noted("done", [ended]) if isinstance(ended, OrderConfirmed) else Progress()
    cancel = _noted("done", [ended]) if isinstance(ended, OrderCancelled) else Progress("asked" if back else "idle")
    status = _status(ended, services, back=back)
    return Instance(
        saga=CHOREOGRAPHY,
        version=1,
        saga_id=created.order_id,
        status=status,
        steps=(StepState(_noted("done", [created]), cancel), *services, StepState(confirm)),
        began_at=created.occurred_at,
        deadline=created.occurred_at + deadline_us if ended is None else 0,
        reason=ended.reason if isinstance(ended, OrderCancelled) else "",
        operations=tuple(map(_operation, settlements(events))),
    )


def settlements(events: Sequence[Event], kind: type[Settlement] = Settlement) -> list[Settlement]:
    """What operators asked about the order's undoings, of one kind, the oldest first."""
    return [event for event in events if isinstance(event, kind)]


def check(instance: Instance, operation: Operate) -> None:
    """Raises an `OperationRefusedError` unless the step waits for an operator. Only an undoing can."""
    if operation.step not in STEPS:
        raise UnknownStepError(f"{CHOREOGRAPHY} has no step {operation.step}; it has {', '.join(STEPS)}")
    if instance.steps[STEPS.index(operation.step)].undo.state != "failed":
        raise NotFailedError(
            f"step {operation.step} of order {instance.saga_id} has not failed: there is nothing to {operation.action}"
        )


def _operation(settled: Settlement) -> Operation:
    step = next(step for step, kind in SETTLED_BY.items() if isinstance(settled, kind))
    return Operation(settled.event_id, settled.action, step, settled.operator, settled.reason, settled.occurred_at)


def _refusals(events: Sequence[Event]) -> Iterator[Event]:
    kinds = tuple(service.refused for service in _SERVICES)
    return (event for event in events if isinstance(event, kinds))


def _services(events: Sequence[Event], *, back: bool) -> tuple[StepState, ...]:
    wanted = {event.version for event in events if isinstance(event, OrderCreated | ItemAdded)}
    steps: list[StepState] = []
    for service in _SERVICES:
        asked = wanted
        if service.done is DeliveryScheduled:  # later versions travel with the first
            asked = {min(wanted)}
        begun = service.after is None or any(isinstance(event, service.after) for event in events)
        steps.append(StepState(_do(events, service, asked, begun=begun), _undo(events, service, back=back)))
    return tuple(steps)


def _do(events: Sequence[Event], service: _Service, wanted: set[int], *, begun: bool) -> Progress:
    answers = [event for event in events if isinstance(event, service.done | service.refused)]
    done = {event.order_version for event in answers if isinstance(event, service.done)}
    if any(isinstance(event, service.refused) for event in answers):
        return _noted("refused", answers)
    if wanted <= done:
        return _noted("done", answers)
    return _noted("asked" if begun else "idle", answers)


def _undo(events: Sequence[Event], service: _Service, *, back: bool) -> Progress:
    answers = [event for event in events if isinstance(event, service.undone | service.not_undone)]
    newest = {event.order_version: event for event in answers}
    done = {event.order_version for event in events if isinstance(event, service.done)}
    refused = [event for event in newest.values() if isinstance(event, service.not_undone)]
    if refused:
        return _noted(_refused(refused, settlements(events, service.settled_by)), answers)
    if not back or not done:
        return Progress()
    return _noted("done" if done <= newest.keys() else "asked", answers)


def _refused(refused: Sequence[Event], settled: Sequence[Settlement]) -> State:
    """What an operator has made of the newest refusals. One that answers a settlement names it: their times are of the
    clocks of two machines."""
    if not settled:
        return "failed"
    last, known = settled[-1], {one.event_id for one in settled}
    answered = any(event.causation_id == last.event_id for event in refused)
    others = [event.occurred_at for event in refused if event.causation_id not in known]
    return "failed" if answered or max(others, default=0) > last.occurred_at else _SETTLED[last.action]


def _status(ended: Event | None, services: Sequence[StepState], *, back: bool) -> Status:
    if isinstance(ended, OrderConfirmed):
        return "COMPLETED"
    states = {step.undo.state for step in services}
    if "failed" in states:
        return "COMPENSATION_FAILED"
    if not back:
        return "RUNNING"
    return "COMPENSATING" if ended is None or "asked" in states else "COMPENSATED"


def _noted(state: State, answers: Sequence[Event]) -> Progress:
    """Its state, with the newest of the events that tell of it; each of these is an attempt."""
    if not answers:
        return Progress(state)
    newest = answers[-1]
    error = getattr(newest, "reason", "")
    return Progress(state, attempts=len(answers), cause=newest.event_id, at=newest.occurred_at, error=error)
