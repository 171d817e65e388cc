"""How the services answer the commands of a saga."""

from types import ModuleType
from typing import Any

import msgspec
import pytest

from app.domain import calls, inventory, payments, requests, shipping
from app.domain.events import (
    DeliveryCancelled,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryVoided,
    Event,
    Item,
    OrderCancelled,
    OrderCreated,
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
from app.domain.requests import (
    CancelDelivery,
    CapturePayment,
    ReleasePayment,
    ReserveStock,
    ScheduleDelivery,
    ServiceCommand,
)
from app.domain.step import Step
from tests.unit.order_events import NOW, event

PLUM = Item(sku="plum", quantity=3, unit_price_minor=20)
HOLD, RESERVE = event(requests.ReservePayment, 1), event(ReserveStock, 1, items=(PLUM,))
SCHEDULE = event(ScheduleDelivery, 1)
RELEASE, CAPTURE = event(ReleasePayment, 1), event(CapturePayment, 1)
FREE, CANCEL = event(requests.ReleaseStock, 1), event(CancelDelivery, 1)
UNDONE = calls.CancelledDeliveries((calls.CancelledDelivery(1, "delivery-1"),))

ANSWERS: list[tuple[ModuleType, ServiceCommand, object, type[Event]]] = [
    (payments, HOLD, calls.Held("payment-1"), PaymentReserved),
    (payments, HOLD, calls.Refused("no"), PaymentFailed),
    (payments, HOLD, calls.Voided(), PaymentFailed),
    (payments, CAPTURE, calls.Captured("GBP", 60), PaymentCaptured),
    (payments, CAPTURE, calls.Refused("expired"), PaymentCaptureRefused),
    (payments, RELEASE, calls.Refunds(()), PaymentReleased),
    (payments, RELEASE, calls.Refused("disputed"), PaymentReleaseRefused),
    (inventory, RESERVE, calls.Reserved(), StockReserved),
    (inventory, RESERVE, calls.Refused("out-of-stock", "plum"), StockRejected),
    (inventory, FREE, calls.Released((1,)), StockReleased),
    (inventory, FREE, calls.Released(()), StockVoided),
    (shipping, SCHEDULE, calls.Scheduled("delivery-1"), DeliveryScheduled),
    (shipping, SCHEDULE, calls.Refused("no such street"), DeliveryRejected),
    (shipping, CANCEL, UNDONE, DeliveryCancelled),
    (shipping, CANCEL, calls.CancelledDeliveries(()), DeliveryVoided),
]
FINAL = [case for case in ANSWERS if not isinstance(case[2], calls.Refused | calls.Voided)]


def named(case: tuple[ModuleType, ServiceCommand, object, type[Event]]) -> str:
    return f"{type(case[1]).__name__}-{case[3].__name__}"


def answered(rules: ModuleType, row: Any, command: ServiceCommand, answer: object) -> Step[Any]:
    step: Step[Any] = rules.begin(row, command, NOW)
    assert step.call is not None
    concluded: Step[Any] = rules.conclude(row, command, step.call, answer, NOW)
    return concluded


@pytest.mark.parametrize("case", ANSWERS, ids=named)
def test_a_command_has_one_answer_that_names_it_as_its_cause(
    case: tuple[ModuleType, ServiceCommand, object, type[Event]],
) -> None:
    rules, command, answer, kind = case
    [told] = answered(rules, None, command, answer).events
    assert type(told) is kind
    assert (told.causation_id, told.version) == (command.event_id, 1)


@pytest.mark.parametrize("case", FINAL, ids=named)
def test_a_command_that_comes_again_is_not_answered_again(
    case: tuple[ModuleType, ServiceCommand, object, type[Event]],
) -> None:
    """The answer is in the topic already, for the saga to read."""
    rules, command, answer, _ = case
    row = answered(rules, None, command, answer).row
    again: Step[Any] = rules.begin(row, event(type(command), 2), NOW)
    assert (again.call, again.events) == (None, ())


def test_a_refused_release_is_tried_again_when_it_is_asked_for_again() -> None:
    row = answered(payments, None, RELEASE, calls.Refused("disputed")).row
    [told] = answered(payments, row, event(ReleasePayment, 2), calls.Refunds(())).events
    assert isinstance(told, PaymentReleased)


@pytest.mark.parametrize(
    ("rules", "command", "kind"),
    [(payments, HOLD, PaymentFailed), (inventory, RESERVE, StockRejected), (shipping, SCHEDULE, DeliveryRejected)],
)
def test_what_a_party_never_answered_is_told_and_left_to_the_saga_to_undo(
    rules: ModuleType, command: ServiceCommand, kind: type[Event]
) -> None:
    call = rules.begin(None, command, NOW).call
    step = rules.exhausted(None, command, call, NOW)
    assert [type(told) for told in step.events] == [kind]
    assert (step.timers, step.row.unknown) == ((), ())


@pytest.mark.parametrize(
    ("rules", "command"), [(payments, RELEASE), (payments, CAPTURE), (inventory, FREE), (shipping, CANCEL)]
)
def test_what_a_party_did_not_undo_or_capture_is_left_to_the_saga_to_ask_again(
    rules: ModuleType, command: ServiceCommand
) -> None:
    call = rules.begin(None, command, NOW).call
    step = rules.exhausted(None, command, call, NOW)
    assert (step.events, step.timers) == ((), ())


@pytest.mark.parametrize("rules", [payments, inventory, shipping])
def test_an_orchestrated_order_is_not_undone_by_its_cancel(rules: ModuleType) -> None:
    row = rules.begin(None, event(OrderCreated, 1, fulfilment="orchestration"), NOW).row
    assert rules.begin(row, event(OrderCancelled, 2), NOW).call is None


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (payments.PaymentRow, [2, 1, [1], [], 0, False]),
        (inventory.ReservationRow, [2, 1, [1], [], 0, False, 3]),
        (shipping.DeliveryRow, [2, 1, [1], [], 0, False, 3, True]),
    ],
)
def test_rows_stored_before_there_were_sagas_are_read_as_they_were(kind: type[Any], stored: list[object]) -> None:
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=kind)
    assert (row.commands, row.orchestrated, row.told) == (0, False, ())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row))[: len(stored)] == stored
