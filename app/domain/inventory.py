"""Reserves the lines of each paid version of an order; releases them when it is cancelled."""

from app.domain.calls import Refused, Released, ReleaseStock, Reserve, Reserved, Voided
from app.domain.events import (
    Event,
    Micros,
    OrderCancelled,
    PaymentCompleted,
    StockRejected,
    StockReleased,
    StockReserved,
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

RELEASE = "release"


class ReservationRow(ServiceRow, frozen=True, array_like=True, gc=False):
    """The reservations of one order."""

    payments: int = 0  # newest version seen of its payments


def begin(row: ReservationRow | None, cause: Event | Timer, now: Micros) -> Step[ReservationRow]:
    known = row or ReservationRow()
    if not isinstance(cause, Timer) and not is_new(known, cause):
        return Step()
    match cause:
        case Timer() | OrderCancelled():
            return ask_undo(known, cause, ReleaseStock)
        case PaymentCompleted(fulfilment="choreography") if not known.cancelled:
            return Step(call=_reserve(cause))
        case _:
            return Step(row=seen(known, cause))


def conclude(
    row: ReservationRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[ReservationRow]:
    known = seen(row or ReservationRow(), cause)
    match cause, call, answer:
        case PaymentCompleted(), Reserve(), Reserved():
            return done(known, _reserved(known, cause, now))
        case _, Reserve(), Refused(reason=reason, sku=sku):
            return not_done(known, _rejected(known, cause, call, reason, now, sku=sku))
        case _, Reserve(), Voided():
            return not_done(known, _rejected(known, cause, call, VOIDED, now))
        case _, ReleaseStock(), Released(order_versions=order_versions):
            return undone(known, call.order_versions, _released(known, cause, order_versions, now))
    raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")


def exhausted(row: ReservationRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[ReservationRow]:
    known = seen(row or ReservationRow(), cause)
    match call:
        case Reserve(order_version=order_version):
            rejected = _rejected(known, cause, call, UNAVAILABLE, now)
            return unanswered(known, cause, (order_version,), RELEASE, now, rejected)
        case ReleaseStock(order_versions=order_versions):
            return unanswered(known, cause, order_versions, RELEASE, now)
    raise TypeError(f"{type(call).__name__} is no call of inventory")


def _reserve(cause: PaymentCompleted) -> Reserve:
    return Reserve(order_id=cause.order_id, order_version=cause.order_version, items=cause.items)


def _reserved(row: ReservationRow, cause: PaymentCompleted, now: Micros) -> StockReserved:
    return StockReserved(
        **answer_envelope(StockReserved, row, cause, cause.order_version, now),
        customer_id=cause.customer_id,
        items=cause.items,
        fulfilment=cause.fulfilment,
    )


def _rejected(
    row: ReservationRow, cause: Event | Timer, call: Reserve, reason: str, now: Micros, *, sku: str = ""
) -> StockRejected:
    return StockRejected(
        **answer_envelope(StockRejected, row, cause, call.order_version, now),
        sku=sku,
        reason=reason,
    )


def _released(
    row: ReservationRow, cause: Event | Timer, order_versions: tuple[int, ...], now: Micros
) -> tuple[StockReleased, ...]:
    announced = sorted(version for version in order_versions if version in row.held)
    return tuple(
        StockReleased(**answer_envelope(StockReleased, row, cause, version, now, nth=nth))
        for nth, version in enumerate(announced, start=1)
    )
