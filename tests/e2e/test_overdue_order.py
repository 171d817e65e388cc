"""A choreographed order whose provider never answers is flagged after its deadline, once."""

from uuid import uuid4

import msgspec

from app.alerts.topic import ALERTS
from app.serde.topics import ORDERS_EVENTS
from tests.e2e.whole_system import ORDER_DEADLINE_S, WholeSystem
from tests.waiting import until


def test_an_order_whose_provider_never_answers_is_flagged_once_and_not_before_its_deadline(
    faulty: WholeSystem,
) -> None:
    order_id = str(uuid4())
    faulty.plant(faulty.settings.provider, "timeout", match={"order_id": order_id})
    faulty.place(order_id)
    until(lambda: faulty.receiver.about(order_id), "the receiver has taken the alert")
    [alert] = faulty.receiver.about(order_id)
    assert (alert["name"], alert["details"]) == ("order.overdue", {"waits_for": "PaymentCompleted"})
    created = faulty.events(ORDERS_EVENTS, order_id)[0]
    assert alert["raised_at"] >= created.occurred_at + ORDER_DEADLINE_S * 1_000_000
    assert faulty.wait_for(order_id, "cancelled")["reason"] == "payment failed: unavailable"
    [record] = faulty.records(ALERTS, alert["id"])
    assert msgspec.json.decode(record.value())["cause"] == {"saga": "choreography", "saga_id": order_id}
