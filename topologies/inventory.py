"""Reserves the lines of each paid version in the warehouse; releases what a cancel leaves reserved."""

from app.alerts.topic import ALERTS
from app.config import Settings
from app.domain import inventory
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_COMMANDS, INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS
from app.streaming.reactions import Gateway
from app.streaming.table import TableSpec
from app.streaming.topology import Topology
from topologies.wiring import reacting

NAME = "inventory"

RESERVATIONS = TableSpec("reservations", inventory.ReservationRow)


def build(settings: Settings, registry: SchemaRegistry, warehouse: Gateway) -> Topology:
    return reacting(
        NAME,
        settings,
        registry,
        warehouse,
        reads=(PAYMENTS_EVENTS, ORDERS_EVENTS, INVENTORY_COMMANDS),
        emits=(INVENTORY_EVENTS, ALERTS),
        rules=inventory,
        rows=RESERVATIONS,
    )
