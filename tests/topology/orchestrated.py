"""The system with orchestrated orders in it: the services read the saga's commands, and the saga runs."""

from typing import Any

import msgspec

from app.alerts.topic import ALERTS
from app.config import Settings
from app.domain import inventory, payments, shipping
from app.domain.orchestrated import OrchestrationRow
from app.serde.codec import event_codec
from app.serde.topics import (
    INVENTORY_COMMANDS,
    INVENTORY_EVENTS,
    ORDERS_EVENTS,
    PAYMENTS_COMMANDS,
    PAYMENTS_EVENTS,
    SHIPPING_COMMANDS,
    SHIPPING_EVENTS,
)
from app.streaming.topology import Topology
from tests.topology.system import REGISTRY, System
from topologies import fulfilment, orchestration, order_views
from topologies.inventory import RESERVATIONS
from topologies.payments import PAYMENTS
from topologies.shipping import DELIVERIES
from topologies.wiring import reacting

COMMANDS = (PAYMENTS_COMMANDS, INVENTORY_COMMANDS, SHIPPING_COMMANDS)
ANSWERS = (PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS)


class Orchestrated(System):
    """Both kinds of orders side by side."""

    def wired(self, settings: Settings) -> list[Topology]:
        return [
            order_views.build(settings, REGISTRY),
            fulfilment.build(settings, REGISTRY, self.decisions),
            orchestration.build(settings, REGISTRY, self.decisions),
            reacting(
                "payments",
                settings,
                REGISTRY,
                self.provider,
                reads=(ORDERS_EVENTS, PAYMENTS_COMMANDS),
                emits=(PAYMENTS_EVENTS,),
                rules=payments,
                rows=PAYMENTS,
            ),
            reacting(
                "inventory",
                settings,
                REGISTRY,
                self.warehouse,
                reads=(PAYMENTS_EVENTS, ORDERS_EVENTS, INVENTORY_COMMANDS),
                emits=(INVENTORY_EVENTS,),
                rules=inventory,
                rows=RESERVATIONS,
            ),
            reacting(
                "shipping",
                settings,
                REGISTRY,
                self.carrier,
                reads=(INVENTORY_EVENTS, ORDERS_EVENTS, SHIPPING_COMMANDS),
                emits=(SHIPPING_EVENTS,),
                rules=shipping,
                rows=DELIVERIES,
            ),
        ]

    def sagas(self) -> dict[str, OrchestrationRow]:
        return {key.decode(): row for key, row in self.driver.rows("orchestration", "sagas").items()}

    def told(self, *topics: str) -> list[str]:
        """The names of what these topics carry, in order."""
        codecs = {topic: event_codec(REGISTRY, topic) for topic in topics}
        return [type(codecs[one.topic].decode(one.value)).__name__ for one in self.published(*topics)]

    def alerts(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(record.value or b"") for record in self.driver.records(ALERTS)]

    def timers(self) -> dict[bytes, Any]:
        return self.driver.rows("orchestration", "timers")
