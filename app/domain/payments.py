"""Charges each version of an order; refunds what a cancel leaves charged."""

from app.domain.calls import Charge, Charged, Refund, Refunds, Refused, VoidCharges, Voided
from app.domain.events import (
    Event,
    Item,
    ItemAdded,
    Micros,
    OrderCancelled,
    OrderCreated,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from app.domain.service import (
    UNAVAILABLE,
    VOIDED,
    ServiceRow,
    answer_envelope,
    ask_undo,
    done,
    not_done,
    seen,
    unanswered,
    undone,
)
from app.domain.step import Step, Timer
from app.domain.streams import is_new

VOID = "void"


class PaymentRow(ServiceRow, frozen=True, array_like=True, gc=False):
    """The charges of one order."""


def begin(row: PaymentRow | None, cause: Event | Timer, now: Micros) -> Step[PaymentRow]:
    known = row or PaymentRow()
    if not isinstance(cause, Timer) and not is_new(known, cause):
        return Step()
    match cause:
        case Timer() | OrderCancelled():
            return ask_undo(known, cause, VoidCharges)
        case OrderCreated(fulfilment="choreography") | ItemAdded(fulfilment="choreography"):
            return Step(call=_charge(cause))
        case _:
            return Step(row=seen(known, cause))


def conclude(
    row: PaymentRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[PaymentRow]:
    known = seen(row or PaymentRow(), cause)
    match cause, call, answer:
        case OrderCreated() | ItemAdded(), Charge(), Charged():
            return done(known, _completed(known, cause, call, now))
        case _, Charge(), Refused(reason=reason):
            return not_done(known, _failed(known, cause, call, reason, now))
        case _, Charge(), Voided():
            return not_done(known, _failed(known, cause, call, VOIDED, now))
        case _, VoidCharges(), Refunds(refunds=refunds):
            return undone(known, call.order_versions, _refunded(known, cause, refunds, now))
    raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")


def exhausted(row: PaymentRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[PaymentRow]:
    known = seen(row or PaymentRow(), cause)
    match call:
        case Charge(order_version=order_version):
            failed = _failed(known, cause, call, UNAVAILABLE, now)
            return unanswered(known, cause, (order_version,), VOID, now, failed)
        case VoidCharges(order_versions=order_versions):
            return unanswered(known, cause, order_versions, VOID, now)
    raise TypeError(f"{type(call).__name__} is no call of payments")


def _items(cause: OrderCreated | ItemAdded) -> tuple[Item, ...]:
    return cause.items if isinstance(cause, OrderCreated) else (cause.item,)


def _charge(cause: OrderCreated | ItemAdded) -> Charge:
    return Charge(
        order_id=cause.order_id,
        order_version=cause.version,
        customer_id=cause.customer_id,
        currency=cause.currency,
        amount_minor=sum(item.total_minor for item in _items(cause)),
    )


def _completed(row: PaymentRow, cause: OrderCreated | ItemAdded, call: Charge, now: Micros) -> PaymentCompleted:
    return PaymentCompleted(
        **answer_envelope(PaymentCompleted, row, cause, call.order_version, now),
        customer_id=call.customer_id,
        currency=call.currency,
        amount_minor=call.amount_minor,
        items=_items(cause),
        fulfilment=cause.fulfilment,
    )


def _failed(row: PaymentRow, cause: Event | Timer, call: Charge, reason: str, now: Micros) -> PaymentFailed:
    return PaymentFailed(
        **answer_envelope(PaymentFailed, row, cause, call.order_version, now),
        currency=call.currency,
        amount_minor=call.amount_minor,
        reason=reason,
    )


def _refunded(
    row: PaymentRow, cause: Event | Timer, refunds: tuple[Refund, ...], now: Micros
) -> tuple[PaymentRefunded, ...]:
    held = [refund for refund in refunds if refund.order_version in row.held]
    announced = sorted(held, key=lambda refund: refund.order_version)
    return tuple(
        PaymentRefunded(
            **answer_envelope(PaymentRefunded, row, cause, refund.order_version, now, nth=nth),
            currency=refund.currency,
            amount_minor=refund.amount_minor,
        )
        for nth, refund in enumerate(announced, start=1)
    )
