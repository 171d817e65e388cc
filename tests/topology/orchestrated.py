"""The system, and what it tells of the sagas of orchestrated orders."""

from typing import Any

import msgspec

from app.alerts.topic import ALERTS
from app.domain.calls import Refused, VoidCharges
from app.domain.orchestrated import OrchestrationRow
from app.serde.codec import event_codec
from app.serde.topics import (
    INVENTORY_COMMANDS,
    INVENTORY_EVENTS,
    PAYMENTS_COMMANDS,
    PAYMENTS_EVENTS,
    SHIPPING_COMMANDS,
    SHIPPING_EVENTS,
)
from app.streaming.reactions import Gateway
from tests.topology.system import REGISTRY, System

COMMANDS = (PAYMENTS_COMMANDS, INVENTORY_COMMANDS, SHIPPING_COMMANDS)
ANSWERS = (PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS)


class Refusing:
    """A provider that gives nothing back, or nothing for this version of an order."""

    def __init__(self, gateway: Gateway, order_version: int | None = None) -> None:
        self._gateway, self._order_version = gateway, order_version

    async def perform(self, call: Any) -> object:
        if isinstance(call, VoidCharges) and (self._order_version or call.order_versions[0]) in call.order_versions:
            return Refused("disputed", code="disputed")
        return await self._gateway.perform(call)


class Orchestrated(System):
    """Both kinds of orders side by side."""

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
