"""The fulfilment saga of an orchestrated order: pay, reserve, schedule, confirm, capture; or all of it undone.

The order itself is the first step: it is there when the saga begins, and undone, last of all, by its cancel.
"""

from datetime import timedelta

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


def _asks(command: str, done: str, *refused: str, retry: Retry = ONCE) -> Ask:
    return Ask(command=command, done=(done,), refused=refused, timeout=SERVICE_TIMEOUT, retry=retry)


def _decides(command: str, done: str, *refused: str) -> Ask:
    return Ask(command=command, done=(done,), refused=refused, timeout=DECISION_TIMEOUT, retry=UNTIL_DECIDED)


FULFILMENT_V1 = Definition(
    name=FULFILMENT,
    version=1,
    deadline=DEADLINE,
    steps=(
        Step(name="order", undo=_decides("CancelOrder", "OrderCancelled")),
        Step(
            name="payment",
            do=_asks("ReservePayment", "PaymentReserved", "PaymentFailed"),
            undo=_asks("ReleasePayment", "PaymentReleased", "PaymentReleaseRefused", retry=AGAIN),
        ),
        Step(
            name="stock",
            do=_asks("ReserveStock", "StockReserved", "StockRejected"),
            undo=_asks("ReleaseStock", "StockReleased", retry=AGAIN),
        ),
        Step(
            name="delivery",
            do=_asks("ScheduleDelivery", "DeliveryScheduled", "DeliveryRejected"),
            undo=_asks("CancelDelivery", "DeliveryCancelled", retry=AGAIN),
        ),
        Step(name="confirm", do=_decides("ConfirmOrder", "OrderConfirmed", "ConfirmRefused"), pivot=True),
        Step(name="capture", do=_asks("CapturePayment", "PaymentCaptured", "PaymentCaptureRefused", retry=AGAIN)),
    ),
)

SAGAS = Definitions(FULFILMENT_V1)
