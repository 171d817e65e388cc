"""Schedules one delivery of an order when its first version is reserved; cancels it with the order, or for a saga."""

from msgspec.structs import replace

from app.domain import service
from app.domain.calls import (
    CancelDeliveries,
    CancelledDeliveries,
    CancelledDelivery,
    Refused,
    Schedule,
    Scheduled,
    Voided,
)
from app.domain.events import (
    DeliveryCancelled,
    DeliveryCancelRefused,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryVoided,
    Event,
    Micros,
    OrderCancelled,
    OrderCreated,
    StockReserved,
)
from app.domain.requests import CancelDelivery, ScheduleDelivery, ServiceCommand, SettleDelivery
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

CANCEL = "cancel"
UNDOING = Undoing("delivery", CancelDeliveries, CANCEL, DeliveryCancelRefused)


class DeliveryRow(ServiceRow, frozen=True, array_like=True, gc=False):
    """The delivery of one order."""

    inventory: int = 0  # newest version seen of its reservations
    requested: bool = False  # its first version was reserved; later ones travel with it
    commands: int = 0  # newest version seen of the saga's commands
    orchestrated: bool = False
    told: tuple[str, ...] = ()


def begin(row: DeliveryRow | None, cause: Event | Timer, now: Micros) -> Step[DeliveryRow]:
    known = row or DeliveryRow()
    if isinstance(cause, SettleDelivery):
        return settle(known, cause, CancelDeliveries)
    if is_of_no_use(known, cause) or (not isinstance(cause, Timer) and not is_new(known, cause)):
        return Step()
    match cause:
        case OrderCreated(fulfilment="choreography"):
            return Step()  # nothing to remember: any version may be the first that is noted
        case Timer() | OrderCancelled():
            return ask_undo(known, cause, CancelDeliveries)
        case StockReserved() if _asks(cause) and not known.requested and not known.cancelled:
            return Step(call=_schedule(cause))
        case ScheduleDelivery() if not is_told(known, DeliveryScheduled):
            return Step(call=_schedule(cause))
        case CancelDelivery() if not is_told(known, DeliveryCancelled, DeliveryVoided):
            return Step(call=CancelDeliveries(order_id=cause.order_id, order_versions=(cause.order_version,)))
        case _:
            return Step(row=_seen(known, cause))


def conclude(
    row: DeliveryRow | None, cause: Event | Timer, call: object, answer: object, now: Micros
) -> Step[DeliveryRow]:
    known = _seen(row or DeliveryRow(), cause)
    match call, answer:
        case Schedule(), Scheduled(delivery_id=delivery_id):
            envelope = answer_envelope(DeliveryScheduled, known, cause, call.order_version, now)
            scheduled = DeliveryScheduled(**envelope, delivery_id=delivery_id)
            return tell(known, scheduled) if known.orchestrated else done(known, scheduled)
        case Schedule(), Refused():
            return not_done(known, _rejected(known, cause, call, answer, now))
        case Schedule(), Voided():
            return not_done(known, _rejected(known, cause, call, VOIDED, now))
        case CancelDeliveries(), CancelledDeliveries(deliveries=deliveries) if isinstance(cause, ServiceCommand):
            return tell(known, _answer(known, cause, deliveries, now))
        case CancelDeliveries(), CancelledDeliveries(deliveries=deliveries):
            return undone(known, call.order_versions, _cancelled(known, cause, deliveries, now))
    raise TypeError(f"{type(answer).__name__} does not answer {type(call).__name__}")


def exhausted(row: DeliveryRow | None, cause: Event | Timer, call: object, now: Micros) -> Step[DeliveryRow]:
    known = _seen(row or DeliveryRow(), cause)
    match call:
        case Schedule(order_version=order_version):
            rejected = _rejected(known, cause, call, UNAVAILABLE, now)
            return unanswered(known, cause, (order_version,), CANCEL, now, rejected)
        case CancelDeliveries() if isinstance(cause, ServiceCommand):
            return Step(row=known)  # the saga has its own timeout, and asks again
        case CancelDeliveries(order_versions=order_versions):
            return undoing_unanswered(known, cause, order_versions, UNDOING, now)
    raise TypeError(f"{type(call).__name__} is no call of shipping")


def abandoned(cause: Event | Timer, call: object, error: str, now: Micros) -> tuple[Failure, ...]:
    return service.abandoned(cause, call, UNDOING, error, now)


def _asks(cause: Event | Timer) -> bool:
    return isinstance(cause, StockReserved) and cause.fulfilment == "choreography"


def _seen(row: DeliveryRow, cause: Event | Timer) -> DeliveryRow:
    return replace(seen(row, cause), requested=row.requested or _asks(cause), orchestrated=is_orchestrated(row, cause))


def _answer(
    row: DeliveryRow, cause: ServiceCommand, deliveries: tuple[CancelledDelivery, ...], now: Micros
) -> DeliveryCancelled | DeliveryVoided:
    if not deliveries:
        return DeliveryVoided(**answer_envelope(DeliveryVoided, row, cause, cause.order_version, now))
    envelope = answer_envelope(DeliveryCancelled, row, cause, cause.order_version, now)
    return DeliveryCancelled(**envelope, delivery_id=deliveries[0].delivery_id)


def _schedule(cause: StockReserved | ScheduleDelivery) -> Schedule:
    return Schedule(order_id=cause.order_id, order_version=cause.order_version, customer_id=cause.customer_id)


def _rejected(
    row: DeliveryRow, cause: Event | Timer, call: Schedule, refused: Refused, now: Micros
) -> DeliveryRejected:
    envelope = answer_envelope(DeliveryRejected, row, cause, call.order_version, now)
    return DeliveryRejected(**envelope, reason=refused.reason, code=refused.code)


def _cancelled(
    row: DeliveryRow, cause: Event | Timer, deliveries: tuple[CancelledDelivery, ...], now: Micros
) -> tuple[DeliveryCancelled, ...]:
    held = [delivery for delivery in deliveries if delivery.order_version in row.held]
    announced = sorted(held, key=lambda delivery: delivery.order_version)
    return tuple(
        DeliveryCancelled(
            **answer_envelope(DeliveryCancelled, row, cause, delivery.order_version, now, nth=nth),
            delivery_id=delivery.delivery_id,
        )
        for nth, delivery in enumerate(announced, start=1)
    )
