"""Reserves the lines of each paid version of an order; releases them when it is cancelled, or a saga says so."""

from msgspec.structs import replace

from app.domain import requests, service
from app.domain.calls import Refused, Released, ReleaseStock, Reserve, Reserved, Voided
from app.domain.events import (
    Answer,
    Event,
    Fulfilment,
    Micros,
    OrderCancelled,
    OrderCreated,
    PaymentCompleted,
    StockRejected,
    StockReleased,
    StockReleaseRefused,
    StockReserved,
    StockVoided,
)
from app.domain.service import (
    UNAVAILABLE,
    VOIDED,
    ServiceRow,
    Undoing,
    answer_envelope,
    ask_undo,
    done,
    is_of_no_use,
    is_orchestrated,
    is_told,
    not_done,
    seen,
    settle,
    tell,
    unanswered,
    undoing_unanswered,
    undone,
)
from app.domain.step import Step, Timer
from app.domain.streams import is_new
from app.sagas.instance import Failure

RELEASE = "release"
UNDOING = Undoing("stock", ReleaseStock, RELEASE, StockReleaseRefused)


class ReservationRow(ServiceRow, frozen=True, array_like=True, gc=False):
    """The reservations of one order."""

    payments: int = 0  # newest version seen of its payments
    commands: int = 0  # and of the saga's commands
    orchestrated: bool = False
    told: tuple[str, ...] = ()


def begin(row: ReservationRow | None, cause: Event | Timer, now: Micros) -> Step[ReservationRow]:
    known = row or ReservationRow()
    if isinstance(cause, requests.SettleStock):
        return settle(known, cause, ReleaseStock)
    if is_of_no_use(known, cause) or (not isinstance(cause, Timer) and not is_new(known, cause)):
        return Step()
    match cause:
        case OrderCreated(fulfilment="choreography"):
            return Step()  # nothing to remember: any version may be the first that is noted
        case Timer() | OrderCancelled():
            return ask_undo(known, cause, ReleaseStock)
        case PaymentCompleted(fulfilment="choreography") if not known.cancelled:
            return Step(call=_reserve(cause))
        case requests.ReserveStock() if not is_told(known, StockReserved):
            return Step(call=_reserve(cause))
        case requests.ReleaseStock() if not is_told(known, StockReleased, StockVoided):
            return Step(call=ReleaseStock(order_id=cause.order_id, order_versions=(cause.order_version,)))
        case _:
            return Step(row=_seen(known, cause))


def conclude(
    row: ReservationRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[ReservationRow]:
    known = _seen(row or ReservationRow(), cause)
    match cause, call, answer:
        case PaymentCompleted(), Reserve(), Reserved():
            return done(known, _reserved(known, cause, cause.fulfilment, now))
        case requests.ReserveStock(), Reserve(), Reserved():
            return tell(known, _reserved(known, cause, "orchestration", now))
        case _, Reserve(), Refused():
            return not_done(known, _rejected(known, cause, call, answer, now))
        case _, Reserve(), Voided():
            return not_done(known, _rejected(known, cause, call, VOIDED, now))
        case requests.ReleaseStock(), ReleaseStock(), Released(order_versions=order_versions):
            kind: type[Answer] = StockReleased if order_versions else StockVoided
            return tell(known, kind(**answer_envelope(kind, known, cause, cause.order_version, now)))
        case _, ReleaseStock(), Released(order_versions=order_versions):
            return undone(known, call.order_versions, _released(known, cause, order_versions, now))
    raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")


def exhausted(row: ReservationRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[ReservationRow]:
    known = _seen(row or ReservationRow(), cause)
    match call:
        case Reserve(order_version=order_version):
            rejected = _rejected(known, cause, call, UNAVAILABLE, now)
            return unanswered(known, cause, (order_version,), RELEASE, now, rejected)
        case ReleaseStock() if isinstance(cause, requests.ServiceCommand):
            return Step(row=known)  # the saga has its own timeout, and asks again
        case ReleaseStock(order_versions=order_versions):
            return undoing_unanswered(known, cause, order_versions, UNDOING, now)
    raise TypeError(f"{type(call).__name__} is no call of inventory")


def abandoned(cause: Event | Timer, call: object, error: str, now: Micros) -> tuple[Failure, ...]:
    return service.abandoned(cause, call, UNDOING, error, now)


def _seen(row: ReservationRow, cause: Event | Timer) -> ReservationRow:
    return replace(seen(row, cause), orchestrated=is_orchestrated(row, cause))


def _reserve(cause: PaymentCompleted | requests.ReserveStock) -> Reserve:
    return Reserve(order_id=cause.order_id, order_version=cause.order_version, items=cause.items)


def _reserved(
    row: ReservationRow, cause: PaymentCompleted | requests.ReserveStock, fulfilment: Fulfilment, now: Micros
) -> StockReserved:
    return StockReserved(
        **answer_envelope(StockReserved, row, cause, cause.order_version, now),
        customer_id=cause.customer_id,
        items=cause.items,
        fulfilment=fulfilment,
    )


def _rejected(row: ReservationRow, cause: Event | Timer, call: Reserve, refused: Refused, now: Micros) -> StockRejected:
    return StockRejected(
        **answer_envelope(StockRejected, row, cause, call.order_version, now),
        sku=refused.sku,
        reason=refused.reason,
        code=refused.code,
    )


def _released(
    row: ReservationRow, cause: Event | Timer, order_versions: tuple[int, ...], now: Micros
) -> tuple[StockReleased, ...]:
    announced = sorted(version for version in order_versions if version in row.held)
    return tuple(
        StockReleased(**answer_envelope(StockReleased, row, cause, version, now, nth=nth))
        for nth, version in enumerate(announced, start=1)
    )
