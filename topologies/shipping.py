"""Schedules the delivery of an order with stock; cancels it with the order."""

from app.alerts.topic import ALERTS
from app.config import Settings
from app.domain import shipping
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, SHIPPING_COMMANDS, SHIPPING_EVENTS
from app.streaming.reactions import Gateway
from app.streaming.table import TableSpec
from app.streaming.topology import Topology
from topologies.wiring import reacting

NAME = "shipping"

DELIVERIES = TableSpec("deliveries", shipping.DeliveryRow)


def build(settings: Settings, registry: SchemaRegistry, carrier: Gateway) -> Topology:
    return reacting(
        NAME,
        settings,
        registry,
        carrier,
        reads=(INVENTORY_EVENTS, ORDERS_EVENTS, SHIPPING_COMMANDS),
        emits=(SHIPPING_EVENTS, ALERTS),
        rules=shipping,
        rows=DELIVERIES,
    )
