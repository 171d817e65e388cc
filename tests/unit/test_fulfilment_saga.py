"""The fulfilment saga asks what the services take, and expects what they answer."""

import pytest

from app.domain import events, requests
from app.domain.calls import Superseded
from app.domain.fulfilment_saga import FULFILMENT_V1, SAGAS
from app.sagas import machine
from app.sagas.instance import Abort, Instance, Reply, Transition
from tests.unit.order_events import NOW, ORDER_ID

TYPES: tuple[type[events.Event], ...] = (*requests.TO_PAYMENTS, *requests.TO_INVENTORY, *requests.TO_SHIPPING)
COMMANDS = {kind.__name__ for kind in TYPES}
DECISIONS = {"CancelOrder", "ConfirmOrder"}
EVENTS = {kind.__name__ for kind in (*events.ORDERS, *events.PAYMENTS, *events.INVENTORY, *events.SHIPPING)}
# told of choreographed orders, the begin of it, or nothing at all
UNEXPECTED = {
    *("OrderCreated", "ItemAdded", "PaymentCompleted", "PaymentRefunded"),
    *("StockReleaseRefused", "DeliveryCancelRefused", "EventVoided"),
}
FORWARD = ["PaymentReserved", "StockReserved", "DeliveryScheduled", "OrderConfirmed", "PaymentCaptured"]


class Saga:
    """One order's saga, told of events by their names."""

    def __init__(self) -> None:
        begun = machine.begin(FULFILMENT_V1, ORDER_ID, "created", NOW)
        assert begun.instance is not None
        self.instance: Instance = begun.instance
        self.commands: list[str] = []
        self.asked = ""
        self._take(begun)

    def tell(self, *names: str) -> "Saga":
        for name in names:
            self._take(
                machine.proceed(FULFILMENT_V1, self.instance, Reply(name, f"id of {name}", self.asked, "no"), NOW)
            )
        return self

    def cancel(self) -> "Saga":
        self._take(machine.proceed(FULFILMENT_V1, self.instance, Abort("id of cancel", "changed my mind"), NOW))
        return self

    def _take(self, transition: Transition) -> None:
        self.instance = transition.instance or self.instance
        if transition.command is not None:
            self.commands.append(transition.command.name)
            self.asked = transition.command.id


def test_every_command_and_decision_is_asked_for_and_every_reply_is_expected() -> None:
    asked = {ask.command for step in FULFILMENT_V1.steps for _, ask in step.asks()}
    assert asked == COMMANDS | DECISIONS
    refusals = [reply for step in FULFILMENT_V1.steps for _, ask in step.asks() for reply in ask.refused]
    unanswered = {f"{reply}(unavailable)" for reply in refusals if reply in EVENTS}
    assert set(FULFILMENT_V1.meanings) == EVENTS - UNEXPECTED | {Superseded.__name__} | unanswered


def test_an_order_is_paid_for_reserved_scheduled_confirmed_and_then_captured() -> None:
    saga = Saga().tell(*FORWARD)
    assert saga.commands == ["ReservePayment", "ReserveStock", "ScheduleDelivery", "ConfirmOrder", "CapturePayment"]
    assert saga.instance.status == "COMPLETED"


@pytest.mark.parametrize(
    ("done", "refusal", "undone"),
    [
        (0, "PaymentFailed", []),
        (1, "StockRejected", ["PaymentReleased"]),
        (2, "DeliveryRejected", ["StockReleased", "PaymentReleased"]),
        (3, "Superseded", ["DeliveryCancelled", "StockReleased", "PaymentReleased"]),
    ],
)
def test_a_refusal_undoes_what_was_done_in_reverse_and_cancels_the_order_last(
    done: int, refusal: str, undone: list[str]
) -> None:
    saga = Saga().tell(*FORWARD[:done])
    asked = len(saga.commands)
    saga.tell(refusal, *undone, "OrderCancelled")
    undoings = {
        "DeliveryCancelled": "CancelDelivery",
        "StockReleased": "ReleaseStock",
        "PaymentReleased": "ReleasePayment",
    }
    assert saga.commands[asked:] == [*(undoings[reply] for reply in undone), "CancelOrder"]
    assert saga.instance.status == "COMPENSATED"


def test_a_cancel_by_the_customer_undoes_what_may_have_been_done_and_asks_for_no_second_cancel() -> None:
    saga = Saga().tell("PaymentReserved").cancel().tell("OrderCancelled", "StockVoided", "PaymentReleased")
    assert saga.commands[2:] == ["ReleaseStock", "ReleasePayment"]
    assert saga.instance.status == "COMPENSATED"


def test_a_payment_that_cannot_be_released_holds_up_neither_stock_nor_the_cancel() -> None:
    saga = Saga().tell(*FORWARD[:2], "DeliveryRejected", "StockReleased", "PaymentReleaseRefused", "OrderCancelled")
    assert saga.commands[-1] == "CancelOrder"
    assert saga.instance.status == "COMPENSATION_FAILED"


def test_there_is_a_newest_version() -> None:
    assert SAGAS.newest("fulfilment") is FULFILMENT_V1
