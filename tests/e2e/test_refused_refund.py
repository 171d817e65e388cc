"""A refund that the provider refuses: one alert everywhere, all else is undone, and a retry ends the saga."""

from typing import Any
from uuid import uuid4

import msgspec

from app.alerts.topic import ALERTS
from app.domain.requests import RetryStep
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import FULFILMENT_COMMANDS, INVENTORY_EVENTS, SHIPPING_EVENTS
from app.simulators.planted import REFUSED_DELIVERY
from tests.e2e.receiver import FAILS
from tests.e2e.whole_system import WholeSystem
from tests.engine.log import until

SOON_S = 60.0


def told(system: WholeSystem, topic: str, order_id: str) -> list[str]:
    return [type(event).__name__ for event in system.events(topic, order_id)]


def critical_lines(system: WholeSystem, alert_id: str) -> list[dict[str, Any]]:
    lines = (system.directory / ".orderflow/logs/alerts-1.log").read_text().splitlines()
    return [msgspec.json.decode(line) for line in lines if alert_id in line and '"critical"' in line]


def retry_payment(system: WholeSystem, order_id: str) -> None:
    envelope = {"event_id": str(uuid4()), "correlation_id": order_id, "causation_id": order_id}
    command = RetryStep(
        **envelope, order_id=order_id, version=1, occurred_at=0, step="payment", operator="ada", reason="it was settled"
    )
    value = event_codec(committed_registry(), FULFILMENT_COMMANDS).encode(command)
    system.topics.producer.produce(FULFILMENT_COMMANDS, value, order_id.encode())
    system.topics.producer.flush()


def test_a_refused_refund_is_one_alert_everywhere_and_is_over_once_it_is_retried(faulty: WholeSystem) -> None:
    order_id, provider = str(uuid4()), faulty.settings.provider
    faulty.plant(provider, "dispute", match={"order_id": order_id})
    faulty.place(order_id, customer_id=f"{REFUSED_DELIVERY}-e2e", fulfilment="orchestration")
    assert "refused" in faulty.wait_for(order_id, "cancelled")["reason"]
    assert told(faulty, INVENTORY_EVENTS, order_id) == ["StockReserved", "StockReleased"]
    assert told(faulty, SHIPPING_EVENTS, order_id) == ["DeliveryRejected"]
    assert faulty.ledger(provider, order_id) == {1: "held"}

    until(lambda: faulty.receiver.about(order_id), SOON_S, "the receiver has taken the alert")
    [alert] = faulty.receiver.about(order_id)
    assert (alert["severity"], alert["cause"]["step"], alert["details"]["error"]) == ("critical", "payment", "disputed")
    assert faulty.receiver.calls[alert["id"]] == FAILS + 1
    assert len(faulty.records(ALERTS, alert["id"])) == 1
    assert len(critical_lines(faulty, alert["id"])) == 1

    faulty.mend(provider)
    retry_payment(faulty, order_id)
    until(lambda: faulty.ledger(provider, order_id) == {1: "released"}, SOON_S, "the payment is released")
    assert len(faulty.receiver.about(order_id)) == 1
