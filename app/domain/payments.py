"""Charges each version of an order; refunds what a cancel leaves charged. Holds, captures or releases for a saga."""

from msgspec.structs import replace

from app.domain import service
from app.domain.calls import (
    Capture,
    Captured,
    Charge,
    Charged,
    Held,
    Hold,
    Refund,
    Refunds,
    Refused,
    VoidCharges,
    Voided,
)
from app.domain.events import (
    Answer,
    Event,
    Item,
    ItemAdded,
    Micros,
    OrderCancelled,
    OrderCreated,
    PaymentCaptured,
    PaymentCaptureRefused,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PaymentReleased,
    PaymentReleaseRefused,
    PaymentReserved,
)
from app.domain.requests import CapturePayment, ReleasePayment, ReservePayment, ServiceCommand, SettleRefund
from app.domain.service import (
    UNAVAILABLE,
    VOIDED,
    AnswerEnvelope,
    ServiceRow,
    Undoing,
    answer_envelope,
    ask_undo,
    done,
    is_of_no_use,
    is_orchestrated,
    is_told,
    known_now,
    not_done,
    not_undone,
    seen,
    settle,
    tell,
    unanswered,
    undoing_unanswered,
    undone,
)
from app.domain.step import Step, Timer
from app.domain.streams import is_new, timer_after
from app.sagas.instance import Failure

VOID = "void"
UNDOING = Undoing("payment", VoidCharges, VOID, PaymentReleaseRefused)


class PaymentRow(ServiceRow, frozen=True, array_like=True, gc=False):
    """The charges of one order."""

    commands: int = 0  # newest version seen of the saga's commands
    orchestrated: bool = False
    told: tuple[str, ...] = ()


def begin(row: PaymentRow | None, cause: Event | Timer, now: Micros) -> Step[PaymentRow]:
    known = row or PaymentRow()
    if isinstance(cause, SettleRefund):
        return settle(known, cause, VoidCharges)
    if is_of_no_use(known, cause) or (not isinstance(cause, Timer) and not is_new(known, cause)):
        return Step()
    match cause:
        case Timer(key=order_id, name=name) if name != VOID:
            order_version = int(name.removeprefix(f"{VOID}-"))
            return Step(call=VoidCharges(order_id=order_id, order_versions=(order_version,)))
        case Timer() | OrderCancelled():
            return ask_undo(known, cause, VoidCharges)
        case OrderCreated(fulfilment="choreography") | ItemAdded(fulfilment="choreography"):
            return Step(call=_charge(cause))
        case ServiceCommand():
            return _obey(known, cause)
        case _:
            return Step(row=_seen(known, cause))


def conclude(
    row: PaymentRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[PaymentRow]:
    known = _seen(row or PaymentRow(), cause)
    match cause, call, answer:
        case OrderCreated() | ItemAdded(), Charge(), Charged():
            return done(known, _completed(known, cause, call, now))
        case _, Charge() | Hold(), Refused():
            return not_done(known, _failed(known, cause, call, answer, now))
        case _, Charge() | Hold(), Voided():
            return not_done(known, _failed(known, cause, call, VOIDED, now))
        case ServiceCommand(), _, _:
            return tell(known, _answer(known, cause, call, answer, now))
        case _, VoidCharges(), Refunds(refunds=refunds):
            return undone(known, call.order_versions, _refunded(known, cause, refunds, now))
        case _, VoidCharges(order_versions=(_,)), Refused():
            return not_undone(known, cause, call.order_versions, UNDOING, answer, now)
        case _, VoidCharges(order_versions=order_versions), Refused():
            # asked for one by one: what is refused for one version must not keep the others from being voided
            alone = tuple(timer_after(cause, f"{VOID}-{version}", 0, now) for version in order_versions)
            return Step(row=known_now(known, order_versions), timers=alone)
    raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")


def exhausted(row: PaymentRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[PaymentRow]:
    known = _seen(row or PaymentRow(), cause)
    match call:
        case Charge(order_version=order_version) | Hold(order_version=order_version):
            failed = _failed(known, cause, call, UNAVAILABLE, now)
            return unanswered(known, cause, (order_version,), VOID, now, failed)
        case VoidCharges() | Capture() if isinstance(cause, ServiceCommand):
            return Step(row=known)  # the saga has its own timeout, and asks again
        case VoidCharges(order_versions=order_versions):
            return undoing_unanswered(known, cause, order_versions, UNDOING, now)
    raise TypeError(f"{type(call).__name__} is no call of payments")


def abandoned(cause: Event | Timer, call: object, error: str, now: Micros) -> tuple[Failure, ...]:
    return service.abandoned(cause, call, UNDOING, error, now)


def _seen(row: PaymentRow, cause: Event | Timer) -> PaymentRow:
    return replace(seen(row, cause), orchestrated=is_orchestrated(row, cause))


def _obey(row: PaymentRow, cause: ServiceCommand) -> Step[PaymentRow]:
    """The call that the command asks for, unless it was answered before."""
    match cause:
        case ReservePayment() if not is_told(row, PaymentReserved):
            return Step(
                call=Hold(
                    order_id=cause.order_id,
                    order_version=cause.order_version,
                    customer_id=cause.customer_id,
                    currency=cause.currency,
                    amount_minor=cause.amount_minor,
                )
            )
        case CapturePayment() if not is_told(row, PaymentCaptured):
            return Step(call=Capture(order_id=cause.order_id, order_version=cause.order_version))
        case ReleasePayment() if not is_told(row, PaymentReleased):
            return Step(call=VoidCharges(order_id=cause.order_id, order_versions=(cause.order_version,)))
        case _:
            return Step(row=_seen(row, cause))


def _answer(row: PaymentRow, cause: ServiceCommand, call: object, answer: object, now: Micros) -> Answer:
    def kind(of: type[Answer]) -> AnswerEnvelope:
        return answer_envelope(of, row, cause, cause.order_version, now)

    match cause, answer:
        case ReservePayment(), Held():
            held = kind(PaymentReserved)
            return PaymentReserved(**held, currency=cause.currency, amount_minor=cause.amount_minor)
        case CapturePayment(), Captured():
            captured = kind(PaymentCaptured)
            return PaymentCaptured(**captured, currency=answer.currency, amount_minor=answer.amount_minor)
        case CapturePayment(), Refused(reason=reason, code=code):
            return PaymentCaptureRefused(**kind(PaymentCaptureRefused), reason=reason, code=code)
        case ReleasePayment(), Refunds():
            return PaymentReleased(**kind(PaymentReleased))
        case ReleasePayment(), Refused(reason=reason, code=code):
            return PaymentReleaseRefused(**kind(PaymentReleaseRefused), reason=reason, code=code)
    raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")


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


def _failed(row: PaymentRow, cause: Event | Timer, call: Charge | Hold, refused: Refused, now: Micros) -> PaymentFailed:
    return PaymentFailed(
        **answer_envelope(PaymentFailed, row, cause, call.order_version, now),
        currency=call.currency,
        amount_minor=call.amount_minor,
        reason=refused.reason,
        code=refused.code,
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
