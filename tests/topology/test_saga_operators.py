"""A refused refund: one alert, all else undone, and an operator ends the saga by the topic of commands."""

from collections.abc import Iterator

import pytest

from app.domain.requests import ResolveStep, RetryStep, SagaOperation, SkipStep
from app.sagas.instance import Instance
from tests.topology.orchestrated import Orchestrated, Refusing
from tests.topology.system import SCARCE, emitted
from tests.unit.order_events import event


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


@pytest.fixture
def order_id(system: Orchestrated) -> str:
    """An order whose stock was refused, and then the refund of its payment."""
    system.provider.gateway = Refusing(system.charge_book)
    order_id = system.place(SCARCE, fulfilment="orchestration")
    system.settle()
    return order_id


def operate(system: Orchestrated, order_id: str, kind: type[SagaOperation]) -> None:
    asked = event(kind, 1, order_id=order_id, step="payment", operator="ada", reason="agreed with the customer")
    system.driver.pipe(emitted(asked))
    system.settle()


def saga(system: Orchestrated, order_id: str) -> Instance:
    return system.sagas()[order_id].saga


def test_a_refused_refund_is_one_alert_and_all_else_is_undone(system: Orchestrated, order_id: str) -> None:
    assert saga(system, order_id).status == "COMPENSATION_FAILED"
    assert system.order(order_id).status == "cancelled"
    [alert] = system.alerts()
    assert alert["cause"].items() >= {"saga": "fulfilment", "saga_id": order_id, "step": "payment"}.items()
    assert alert["details"]["error"] == "disputed"


def test_a_retry_once_the_provider_gives_back_ends_the_saga(system: Orchestrated, order_id: str) -> None:
    system.provider.gateway = system.charge_book
    operate(system, order_id, RetryStep)
    assert saga(system, order_id).status == "COMPENSATED"
    assert system.charge_book.holds.standing == {}
    assert len(system.alerts()) == 1


def test_a_retry_that_is_refused_again_is_an_alert_of_its_own(system: Orchestrated, order_id: str) -> None:
    operate(system, order_id, RetryStep)
    assert saga(system, order_id).status == "COMPENSATION_FAILED"
    assert len({alert["id"] for alert in system.alerts()}) == 2


@pytest.mark.parametrize(("kind", "state"), [(SkipStep, "skipped"), (ResolveStep, "resolved")])
def test_a_skipped_or_resolved_step_ends_the_saga_and_is_audited(
    system: Orchestrated, order_id: str, kind: type[SagaOperation], state: str
) -> None:
    operate(system, order_id, kind)
    instance = saga(system, order_id)
    assert (instance.status, instance.steps[1].undo.state) == ("COMPENSATED", state)
    assert [(one.operator, one.reason) for one in instance.operations] == [("ada", "agreed with the customer")]


def test_a_command_that_comes_again_has_no_effect(system: Orchestrated, order_id: str) -> None:
    operate(system, order_id, RetryStep)
    operate(system, order_id, RetryStep)
    assert len(system.alerts()) == 2
