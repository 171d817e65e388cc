"""Runs the sagas of orchestrated orders: commands to the services, decisions to the store, alerts to operators."""

from app.alerts.topic import ALERTS
from app.config import Settings
from app.domain import orchestration
from app.domain.orchestrated import OrchestrationRow
from app.serde.registry import SchemaRegistry
from app.serde.topics import (
    FULFILMENT_COMMANDS,
    INVENTORY_COMMANDS,
    INVENTORY_EVENTS,
    ORDERS_EVENTS,
    PAYMENTS_COMMANDS,
    PAYMENTS_EVENTS,
    SHIPPING_COMMANDS,
    SHIPPING_EVENTS,
)
from app.streaming.reactions import Gateway
from app.streaming.table import TableSpec
from app.streaming.topology import Topology
from topologies.wiring import reacting

NAME = "orchestration"

SAGAS = TableSpec("sagas", OrchestrationRow)


def build(settings: Settings, registry: SchemaRegistry, decisions: Gateway) -> Topology:
    topology = reacting(
        NAME,
        settings,
        registry,
        decisions,
        reads=(ORDERS_EVENTS, PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS, FULFILMENT_COMMANDS),
        emits=(PAYMENTS_COMMANDS, INVENTORY_COMMANDS, SHIPPING_COMMANDS, ALERTS),
        rules=orchestration,
        rows=SAGAS,
        awaited="commands",
    )
    topology.checks(SAGAS, orchestration.check)
    return topology
