"""Decides the outcome of a choreographed order: confirms it when all is done, cancels it on the first refusal.

Nothing is known of the order between topics, so the row counts what each of them told and decides from the counts.
"""

from msgspec import Struct
from msgspec.structs import replace

from app.domain.calls import Cancel, Confirm
from app.domain.events import (
    Answer,
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
    StockRejected,
    StockReserved,
)
from app.domain.step import Step, Timer
from app.domain.streams import is_new, noted, origin, timer_after
from app.sagas.instance import Failure

DECIDE = "decide"
DECIDE_AGAIN_S = 5

_REFUSED: dict[type[Event], str] = {
    PaymentFailed: "payment failed",
    StockRejected: "stock rejected",
    DeliveryRejected: "delivery rejected",
}


class FulfilmentRow(Struct, frozen=True, array_like=True, gc=False):
    """What the topics have told of one order. A version is paid and reserved at most once: counts are enough."""

    orders: int = 0
    payments: int = 0
    inventory: int = 0
    shipping: int = 0
    choreographed: bool = False
    newest: int = 0  # newest order version known, whichever topic told of it
    paid: int = 0
    reserved: int = 0
    scheduled: bool = False
    refusal: tuple[int, str] | None = None  # order version and reason
    answered: bool = False  # a decision about the newest version was answered; another needs a newer one
    ended: bool = False  # it has its outcome, or a saga decides it: what comes is not even noted
    overdue: bool = False  # an operator was told that it has no outcome


def begin(row: FulfilmentRow | None, cause: Event | Timer, now: Micros) -> Step[FulfilmentRow]:
    known = row or FulfilmentRow()
    if known.ended or (not isinstance(cause, Timer) and not is_new(known, cause)):
        return Step()
    told = _told(known, cause)
    call = _decision(told, cause)
    return Step(row=told) if call is None else Step(call=call)


def conclude(
    row: FulfilmentRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[FulfilmentRow]:
    """`Decided` or `Superseded` are the same here: what ended or superseded the order comes as an event of it."""
    return Step(row=replace(_told(row or FulfilmentRow(), cause), answered=True))


def exhausted(row: FulfilmentRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[FulfilmentRow]:
    told = _told(row or FulfilmentRow(), cause)
    return Step(row=told, timers=(timer_after(cause, DECIDE, DECIDE_AGAIN_S, now),))


def abandoned(cause: Event | Timer, call: object, error: str, now: Micros) -> tuple[Failure, ...]:
    """The record is dead, and its letter tells."""
    return ()


def awaited(row: FulfilmentRow) -> str:
    """The name of the event that an order without an outcome waits for."""
    if row.refusal is not None:
        return OrderCancelled.__name__
    if row.paid < row.newest:
        return PaymentCompleted.__name__
    if row.reserved < row.newest:
        return StockReserved.__name__
    return OrderConfirmed.__name__ if row.scheduled else DeliveryScheduled.__name__


def _decision(row: FulfilmentRow, cause: Event | Timer) -> Confirm | Cancel | None:
    if row.ended or row.answered or not row.choreographed:
        return None
    order_id, causation_id, correlation_id = origin(cause)
    if row.refusal is not None:
        reason = row.refusal[1]
        return Cancel(order_id=order_id, reason=reason, causation_id=causation_id, correlation_id=correlation_id)
    if row.scheduled and row.paid == row.reserved == row.newest:
        return Confirm(
            order_id=order_id, order_version=row.newest, causation_id=causation_id, correlation_id=correlation_id
        )
    return None


def _ends(cause: Event) -> bool:
    orchestrated = isinstance(cause, OrderCreated | ItemAdded) and cause.fulfilment == "orchestration"
    return orchestrated or isinstance(cause, OrderConfirmed | OrderCancelled)


def _told(row: FulfilmentRow, cause: Event | Timer) -> FulfilmentRow:
    """The row with what the cause tells."""
    if isinstance(cause, Timer):
        return row
    if _ends(cause):
        return FulfilmentRow(ended=True)
    row = noted(row, cause)
    version = cause.order_version if isinstance(cause, Answer) else cause.version
    if version > row.newest:
        row = replace(row, newest=version, answered=False)
    match cause:
        case OrderCreated() | ItemAdded():
            return replace(row, choreographed=True)
        case EventVoided():  # nothing of it is to be paid or reserved
            return replace(row, paid=row.paid + 1, reserved=row.reserved + 1)
        case PaymentCompleted():
            return replace(row, paid=row.paid + 1)
        case StockReserved():
            return replace(row, reserved=row.reserved + 1)
        case DeliveryScheduled():
            return replace(row, scheduled=True)
        case PaymentFailed() | StockRejected() | DeliveryRejected():
            refusal = (version, f"{_REFUSED[type(cause)]}: {cause.reason}")
            # the least one, not the first: rows do not depend on the order between topics
            return replace(row, refusal=min(row.refusal or refusal, refusal))
        case _:
            return row
