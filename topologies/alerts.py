"""Delivers what operators have to see: to the log and, when there is one, to a webhook."""

from app.alerts import delivery
from app.alerts.topic import ALERTS
from app.config import Settings
from app.serde.registry import SchemaRegistry
from app.streaming.reactions import Gateway
from app.streaming.table import TableSpec
from app.streaming.topology import Topology
from topologies.wiring import reacting

NAME = "alerts"

DELIVERIES = TableSpec("alerts", delivery.AlertRow)


def build(settings: Settings, registry: SchemaRegistry, receivers: Gateway) -> Topology:
    return reacting(NAME, settings, registry, receivers, reads=(ALERTS,), rules=delivery, rows=DELIVERIES)
