"""A choreographed order whose undoing fails for good: one alert, all else undone, and an operator settles it."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from app.domain.calls import CancelDeliveries, ReleaseStock, VoidCharges
from app.domain.requests import SettleDelivery, Settlement, SettleRefund, SettleStock
from app.gateways.ports import CallRejectedError
from app.serde.topics import INVENTORY_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS
from app.streaming.letters import Letter, read_letter_topic, redrive_output
from app.streaming.names import dlq_topic, group_id
from app.streaming.reactions import Gateway
from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated, Refusing
from tests.topology.system import APPLE, PEAR, emitted
from tests.unit.order_events import event


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


def cancelled(system: Orchestrated, *, order_version: int | None = None, items: int = 1) -> str:
    """An order that is cancelled while the store takes no decision, when all was done; its refund is refused."""
    system.provider.gateway = Refusing(system.charge_book, order_version)
    system.decisions.fails("unreachable", until_us=system.in_s(30))
    order_id = system.place(APPLE)
    for _ in range(1, items):
        system.add(order_id, PEAR)
    system.settle(1)
    system.cancel(order_id)
    system.settle(120)
    return order_id


def test_a_refused_refund_is_one_alert_and_all_else_is_undone(system: Orchestrated) -> None:
    order_id = cancelled(system)
    [alert] = system.alerts()
    assert (alert["name"], alert["severity"]) == ("saga.step_failed", "critical")
    assert alert["cause"].items() >= {"saga": "choreography", "saga_id": order_id, "step": "payment"}.items()
    assert alert["details"] == {"kind": "undo", "error": "disputed"}
    assert system.told(INVENTORY_EVENTS)[-1] == "StockReleased"
    assert system.told(SHIPPING_EVENTS)[-1] == "DeliveryCancelled"


def test_a_refused_refund_is_an_event_of_the_order_and_the_money_is_the_only_difference(system: Orchestrated) -> None:
    cancelled(system)
    assert system.told(PAYMENTS_EVENTS) == ["PaymentCompleted", "PaymentReleaseRefused"]
    assert {difference.kind for difference in differences(system)} == {"money"}


def test_a_refund_that_is_refused_for_one_version_keeps_no_other_from_being_given_back(system: Orchestrated) -> None:
    cancelled(system, order_version=2, items=3)
    assert sorted(system.told(PAYMENTS_EVENTS)[3:]) == ["PaymentRefunded", "PaymentRefunded", "PaymentReleaseRefused"]
    assert [version for _, version in system.charge_book.charges.standing] == [2]
    assert len(system.alerts()) == 1


def test_refunds_that_are_refused_for_several_versions_are_one_alert(system: Orchestrated) -> None:
    cancelled(system, items=3)
    assert system.told(PAYMENTS_EVENTS)[3:] == ["PaymentReleaseRefused"] * 3
    assert len({alert["id"] for alert in system.alerts()}) == 1


def test_a_charge_without_an_answer_whose_undoing_is_refused_is_told_too(system: Orchestrated) -> None:
    system.provider.gateway = Refusing(system.charge_book)
    system.provider.fails("lost", until_us=system.in_s(65))
    order_id = system.place(APPLE)
    system.settle(300)
    assert system.told(PAYMENTS_EVENTS) == ["PaymentFailed", "PaymentReleaseRefused"]
    assert [alert["cause"]["saga_id"] for alert in system.alerts()] == [order_id]


def settle(system: Orchestrated, order_id: str, action: str) -> None:
    system.driver.pipe(emitted(event(SettleRefund, 1, order_id=order_id, action=action)))
    system.settle(120)


def test_a_retry_once_the_provider_gives_back_refunds_every_version_that_was_refused(system: Orchestrated) -> None:
    order_id = cancelled(system, items=3)
    system.provider.gateway = system.charge_book
    settle(system, order_id, "retry")
    assert system.told(PAYMENTS_EVENTS)[6:] == ["PaymentRefunded"] * 3
    assert differences(system) == []


def test_a_retry_that_is_refused_again_is_an_alert_of_its_own_and_can_be_retried(system: Orchestrated) -> None:
    order_id = cancelled(system)
    settle(system, order_id, "retry")
    assert len({alert["id"] for alert in system.alerts()}) == 2
    system.provider.gateway = system.charge_book
    system.driver.pipe(emitted(event(SettleRefund, 2, order_id=order_id, action="retry")))
    system.settle()
    assert differences(system) == []


def test_a_command_that_comes_again_has_no_effect(system: Orchestrated) -> None:
    order_id = cancelled(system)
    for _ in range(2):
        settle(system, order_id, "retry")
    assert len(system.alerts()) == 2


@pytest.mark.parametrize("action", ["skip", "resolve"])
def test_a_refund_that_was_skipped_or_resolved_is_no_difference_and_asked_for_no_more(
    system: Orchestrated, action: str
) -> None:
    order_id = cancelled(system)
    settle(system, order_id, action)
    event_ids = system.told(PAYMENTS_EVENTS)
    system.driver.pipe(emitted(event(SettleRefund, 2, order_id=order_id, action="retry")))
    system.settle()
    assert system.told(PAYMENTS_EVENTS) == event_ids
    assert differences(system) == []


LAST_S, OVER_S = 590, 40  # all retries and waits of an undoing but the last, and that one
AWAY_S = 700


class Undone(NamedTuple):
    """A service whose party can be away, and what it tells then."""

    party: str
    step: str
    topic: str
    settlement: type[Settlement]
    undone: str
    refused: str


SERVICES = (
    Undone("provider", "payment", PAYMENTS_EVENTS, SettleRefund, "PaymentRefunded", "PaymentReleaseRefused"),
    Undone("warehouse", "stock", INVENTORY_EVENTS, SettleStock, "StockReleased", "StockReleaseRefused"),
    Undone("carrier", "delivery", SHIPPING_EVENTS, SettleDelivery, "DeliveryCancelled", "DeliveryCancelRefused"),
)
every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.step)


def left(system: Orchestrated, service: Undone, seconds: int) -> str:
    """An order that was cancelled so long ago, and whose undoing the party of the service has not answered."""
    system.decisions.fails("unreachable", until_us=system.in_s(30))
    order_id = system.place(APPLE)
    system.settle(1)
    getattr(system, service.party).fails("unreachable", until_us=system.in_s(AWAY_S))
    system.cancel(order_id)
    system.settle(seconds)
    return order_id


@every_service
def test_an_undoing_that_nobody_answers_is_one_alert_once_its_waits_are_over(
    system: Orchestrated, service: Undone
) -> None:
    order_id = left(system, service, LAST_S)
    assert system.alerts() == []
    system.settle(OVER_S)
    [alert] = system.alerts()
    cause = {"saga": "choreography", "saga_id": order_id, "step": service.step}
    assert (alert["name"], alert["severity"]) == ("saga.step_failed", "critical")
    assert alert["cause"].items() >= cause.items()
    assert alert["details"] == {"kind": "undo", "error": "unavailable"}
    assert system.told(service.topic)[1:] == [service.refused]
    calls = len(getattr(system, service.party).calls)
    system.settle(3_600)
    assert len(getattr(system, service.party).calls) == calls
    assert [one["name"] for one in system.alerts()].count("saga.step_failed") == 1


@every_service
def test_it_is_done_once_an_operator_retries_it(system: Orchestrated, service: Undone) -> None:
    order_id = left(system, service, AWAY_S + 1)
    system.driver.pipe(emitted(event(service.settlement, 1, order_id=order_id, action="retry")))
    system.settle()
    assert system.told(service.topic)[1:] == [service.refused, service.undone]
    assert differences(system) == []


@every_service
@pytest.mark.parametrize("action", ["skip", "resolve"])
def test_it_is_asked_for_no_more_once_an_operator_has_settled_it(
    system: Orchestrated, service: Undone, action: str
) -> None:
    order_id = left(system, service, AWAY_S + 1)
    for number, asked in enumerate((action, "retry"), start=1):
        system.driver.pipe(emitted(event(service.settlement, number, order_id=order_id, action=asked)))
        system.settle(120)
    assert system.told(service.topic)[1:] == [service.refused]
    assert differences(system) == []


@every_service
def test_a_retry_that_nobody_answers_either_waits_as_long_and_is_an_alert_of_its_own(
    system: Orchestrated, service: Undone
) -> None:
    order_id = left(system, service, LAST_S + OVER_S)
    getattr(system, service.party).fails("unreachable", until_us=system.in_s(2_000))
    system.driver.pipe(emitted(event(service.settlement, 1, order_id=order_id, action="retry")))
    system.settle(LAST_S + OVER_S)
    assert len({one["id"] for one in system.alerts() if one["name"] == "saga.step_failed"}) == 2


class Rejecting:
    """A party that does not take the call by which something is undone."""

    def __init__(self, gateway: Gateway, undo: type) -> None:
        self._gateway, self._undo = gateway, undo

    async def perform(self, call: object) -> object:
        if isinstance(call, self._undo):
            raise CallRejectedError("party", "status 404")
        return await self._gateway.perform(call)


@pytest.mark.parametrize(
    ("party", "undo", "topology", "step"),
    [
        ("provider", VoidCharges, "payments", "payment"),
        ("warehouse", ReleaseStock, "inventory", "stock"),
        ("carrier", CancelDeliveries, "shipping", "delivery"),
    ],
)
def test_an_undoing_that_is_never_taken_is_one_alert_and_is_done_once_its_dead_letter_is_sent_back(
    system: Orchestrated, party: str, undo: type, topology: str, step: str
) -> None:
    asked = getattr(system, party)
    asked.gateway = Rejecting(takes := asked.gateway, undo)
    system.decisions.fails("unreachable", until_us=system.in_s(30))
    order_id = system.place(APPLE)
    system.settle(1)
    system.cancel(order_id)
    system.settle(120)
    [alert] = system.alerts()
    assert alert["cause"].items() >= {"saga": "choreography", "saga_id": order_id, "step": step}.items()
    assert "status 404" in alert["details"]["error"]
    [record] = system.driver.records(dlq_topic(group_id(topology)))
    letter = read_letter_topic(record)
    assert isinstance(letter, Letter)
    asked.gateway = takes
    system.driver.pipe(redrive_output(letter, "redrive", "run-1"))
    system.settle(120)
    assert {one.kind for one in differences(system)} == {"dead-letter"}
    assert len(system.alerts()) == 1
