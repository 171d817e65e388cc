"""The fulfilment saga of an orchestrated order: pay, reserve, schedule, confirm, capture; or all of it undone.

The order itself is the first step: it is there when the saga begins, and undone, last of all, by its cancel.
"""

from datetime import timedelta

from app.domain.calls import Superseded
from app.domain.events import (
    DeliveryCancelled,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryVoided,
    Event,
    OrderCancelled,
    OrderConfirmed,
    PaymentCaptured,
    PaymentCaptureRefused,
    PaymentFailed,
    PaymentReleased,
    PaymentReleaseRefused,
    PaymentReserved,
    StockRejected,
    StockReleased,
    StockReserved,
    StockVoided,
)
from app.domain.orders import CancelOrder, ConfirmOrder
from app.domain.requests import (
    CancelDelivery,
    CapturePayment,
    ReleasePayment,
    ReleaseStock,
    ReservePayment,
    ReserveStock,
    ScheduleDelivery,
    ServiceCommand,
)
from app.domain.service import UNAVAILABLE
from app.sagas.definition import Ask, Definition, Retry, Step
from app.sagas.definitions import Definitions

FULFILMENT = "fulfilment"

# a service makes up to six attempts within 62 s before it answers that it cannot; each may take 10 s
SERVICE_TIMEOUT = timedelta(minutes=3)
DECISION_TIMEOUT = timedelta(seconds=10)
DEADLINE = timedelta(minutes=15)
ONCE = Retry()
AGAIN = Retry((timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)))
UNTIL_DECIDED = Retry((timedelta(seconds=5), timedelta(seconds=30)), endless=True)


def unanswered(refused: type[Event]) -> str:
    """The reply of a service that has had no answer itself: what it was asked may have been done."""
    return f"{refused.__name__}({UNAVAILABLE.code})"


def _does(command: type[ServiceCommand], done: type[Event], refused: type[Event], retry: Retry = ONCE) -> Ask:
    return Ask(
        command=command.__name__,
        done=(done.__name__,),
        refused=(refused.__name__,),
        failed=(unanswered(refused),),
        timeout=SERVICE_TIMEOUT,
        retry=retry,
    )


def _undoes(command: type[ServiceCommand], *done: type[Event], refused: tuple[type[Event], ...] = ()) -> Ask:
    return Ask(
        command=command.__name__,
        done=tuple(reply.__name__ for reply in done),
        refused=tuple(reply.__name__ for reply in refused),
        failed=tuple(unanswered(reply) for reply in refused),
        timeout=SERVICE_TIMEOUT,
        retry=AGAIN,
    )


# the orchestrator decides about the order itself: its calls to the store are answered, or repeated
CANCEL = Ask(
    command=CancelOrder.__name__, done=(OrderCancelled.__name__,), timeout=DECISION_TIMEOUT, retry=UNTIL_DECIDED
)
CONFIRM = Ask(
    command=ConfirmOrder.__name__,
    done=(OrderConfirmed.__name__,),
    refused=(Superseded.__name__,),
    timeout=DECISION_TIMEOUT,
    retry=UNTIL_DECIDED,
)

FULFILMENT_V1 = Definition(
    name=FULFILMENT,
    version=1,
    deadline=DEADLINE,
    steps=(
        Step(name="order", undo=CANCEL),
        Step(
            name="payment",
            do=_does(ReservePayment, PaymentReserved, PaymentFailed),
            undo=_undoes(ReleasePayment, PaymentReleased, refused=(PaymentReleaseRefused,)),
        ),
        Step(
            name="stock",
            do=_does(ReserveStock, StockReserved, StockRejected),
            undo=_undoes(ReleaseStock, StockReleased, StockVoided),
        ),
        Step(
            name="delivery",
            do=_does(ScheduleDelivery, DeliveryScheduled, DeliveryRejected),
            undo=_undoes(CancelDelivery, DeliveryCancelled, DeliveryVoided),
        ),
        Step(name="confirm", do=CONFIRM, pivot=True),
        Step(name="capture", do=_does(CapturePayment, PaymentCaptured, PaymentCaptureRefused, AGAIN)),
    ),
)

SAGAS = Definitions(FULFILMENT_V1)
