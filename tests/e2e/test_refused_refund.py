"""A refund that the provider refuses: one alert everywhere, all else is undone, and an operator ends it."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.alerts.topic import ALERTS
from app.domain.fields import Fulfilment
from app.serde.topics import INVENTORY_EVENTS, SHIPPING_EVENTS
from app.simulators.planted import REFUSED_DELIVERY
from tests.commands import run
from tests.e2e.receiver import FAILS
from tests.e2e.whole_system import WholeSystem
from tests.waiting import until

SAGAS: dict[Fulfilment, str] = {"orchestration": "fulfilment", "choreography": "choreography"}
each_kind = pytest.mark.parametrize("kind", SAGAS)


def told(system: WholeSystem, topic: str, order_id: str) -> list[str]:
    return [type(event).__name__ for event in system.events(topic, order_id)]


def critical_lines(system: WholeSystem, alert_id: str) -> list[dict[str, Any]]:
    lines = (system.directory / ".orderflow/logs/alerts-1.log").read_text().splitlines()
    return [msgspec.json.decode(line) for line in lines if alert_id in line and '"critical"' in line]


def refused(system: WholeSystem, kind: Fulfilment) -> str:
    """An order whose delivery was refused, and then the refund of its payment; all else is undone."""
    order_id = str(uuid4())
    system.plant(system.settings.provider, "dispute", match={"order_id": order_id})
    system.place(order_id, customer_id=f"{REFUSED_DELIVERY}-e2e", fulfilment=kind)
    assert "refused" in system.wait_for(order_id, "cancelled")["reason"]
    until(lambda: state(system, order_id) == "COMPENSATION_FAILED", "the refund was refused")
    # each service of a choreographed order undoes its own, in its own time
    until(lambda: "StockReleased" in told(system, INVENTORY_EVENTS, order_id), "the stock is released")
    return order_id


def state(system: WholeSystem, order_id: str) -> str:
    return str(system.saga(order_id)["state"])


def waiting(system: WholeSystem) -> dict[str, list[str]]:
    """The inbox: by order, the steps that wait."""
    return {saga["order_id"]: saga["failed"] for saga in system.ask("saga", "list")}


def refusal_of(system: WholeSystem, *words: str) -> str:
    done = run("saga", *words, settings=system.settings)
    assert done.returncode == 2, done.stdout
    return done.stderr


def audited(system: WholeSystem, order_id: str) -> list[tuple[str, str, str]]:
    acts = system.ask("saga", "audit")
    return [(act["action"], act["step"], act["reason"]) for act in acts if act["order_id"] == order_id]


@each_kind
def test_a_refused_refund_is_one_alert_everywhere_and_is_over_once_it_is_retried(
    faulty: WholeSystem, kind: Fulfilment
) -> None:
    order_id, provider = refused(faulty, kind), faulty.settings.provider
    assert told(faulty, INVENTORY_EVENTS, order_id) == ["StockReserved", "StockReleased"]
    assert told(faulty, SHIPPING_EVENTS, order_id) == ["DeliveryRejected"]
    assert faulty.ledger(provider, order_id) == {1: {"orchestration": "held", "choreography": "charged"}[kind]}

    until(lambda: faulty.receiver.about(order_id), "the receiver has taken the alert")
    [alert] = faulty.receiver.about(order_id)
    assert (alert["cause"]["saga"], alert["cause"]["step"]) == (SAGAS[kind], "payment")
    assert (alert["severity"], alert["details"]["error"]) == ("critical", "disputed")
    assert faulty.receiver.calls[alert["id"]] == FAILS + 1
    assert len(faulty.records(ALERTS, alert["id"])) == 1
    assert len(critical_lines(faulty, alert["id"])) == 1
    assert waiting(faulty)[order_id] == ["payment"]

    faulty.mend(provider)
    faulty.ask("saga", "retry", order_id, "payment", "--reason", "it was settled")
    undone = {"orchestration": "released", "choreography": "refunded"}[kind]
    until(lambda: faulty.ledger(provider, order_id) == {1: undone}, "the payment is given back")
    until(lambda: state(faulty, order_id) == "COMPENSATED", "the saga has ended")
    assert order_id not in waiting(faulty)
    assert audited(faulty, order_id) == [("retry", "payment", "it was settled")]
    assert len(faulty.receiver.about(order_id)) == 1


@each_kind
@pytest.mark.parametrize("action", ["skip", "resolve"])
def test_a_skipped_or_resolved_refund_ends_the_saga_is_audited_and_is_no_difference(
    faulty: WholeSystem, kind: Fulfilment, action: str
) -> None:
    order_id = refused(faulty, kind)
    faulty.ask("saga", action, order_id, "payment", "--reason", "agreed with the customer")
    until(lambda: state(faulty, order_id) == "COMPENSATED", "the saga has ended")
    assert "STEP_NOT_FAILED" in refusal_of(faulty, action, order_id, "payment", "--reason", "again")
    assert audited(faulty, order_id) == [(action, "payment", "agreed with the customer")]
    [operation] = faulty.ask("saga", "show", order_id)["operations"]
    assert (operation["action"], operation["reason"]) == (action, "agreed with the customer")
    assert faulty.ask("verify")["differences"] == []


@each_kind
def test_the_timeline_tells_how_the_saga_came_to_stand_where_it_stands(faulty: WholeSystem, kind: Fulfilment) -> None:
    order_id = refused(faulty, kind)
    shown = faulty.ask("saga", "show", order_id)
    faulty.ask("saga", "skip", order_id, "payment", "--reason", "the test is over")
    steps = {step["step"]: step for step in shown["steps"]}
    assert steps["payment"]["undo"]["state"] == "failed"
    assert steps["payment"]["undo"]["error"] == "disputed"
    assert steps["stock"]["undo"]["state"] == "done"
    assert steps["delivery"]["do"]["state"] == "refused"
    events = {event["event_id"]: event for event in shown["timeline"]}
    [last] = [event for event in shown["timeline"] if event["type"] == "PaymentReleaseRefused"]
    assert steps["payment"]["undo"]["cause"] == last["event_id"]
    cause = {"orchestration": "ReleasePayment", "choreography": "OrderCancelled"}[kind]
    assert (events[last["caused_by"]]["type"], last["about"]["code"]) == (cause, "disputed")
    assert (shown["version"], shown["next_timeout"], shown["deadline"]) == (1, None, None)


def test_what_a_saga_does_not_wait_for_is_refused_with_the_reason(faulty: WholeSystem) -> None:
    order_id = refused(faulty, "orchestration")
    assert "STEP_NOT_FAILED" in refusal_of(faulty, "retry", order_id, "stock")
    assert "STEP_UNKNOWN" in refusal_of(faulty, "resolve", order_id, "tea", "--reason", "none")
    assert "ORDER_UNKNOWN" in refusal_of(faulty, "show", str(uuid4()))
    assert audited(faulty, order_id) == []
    faulty.ask("saga", "skip", order_id, "payment", "--reason", "the test is over")


def test_a_command_that_is_sent_again_under_its_key_has_effect_once(faulty: WholeSystem) -> None:
    order_id, key = refused(faulty, "orchestration"), str(uuid4())
    body = {"operator": "ada", "reason": "written off"}
    for _ in range(2):
        answer = faulty.post(f"/sagas/{order_id}/steps/payment/skip", body, **{"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["state"]) == (200, "COMPENSATED")
    assert audited(faulty, order_id) == [("skip", "payment", "written off")]
    other = refused(faulty, "orchestration")
    answer = faulty.post(f"/sagas/{other}/steps/payment/skip", body, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "KEY_REUSED")
    faulty.ask("saga", "skip", other, "payment", "--reason", "the test is over")
