"""Confirms an order that is paid, reserved and scheduled; cancels it on the first refusal; tells which are overdue."""

from app.alerts.topic import ALERTS
from app.config import Settings
from app.domain import fulfilment
from app.domain.watchdog import WATCHING, Watchdog
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS
from app.streaming.reactions import Gateway
from app.streaming.table import TableSpec
from app.streaming.topology import Topology
from topologies.wiring import reacting

NAME = "fulfilment"

FULFILMENTS = TableSpec("fulfilments", fulfilment.FulfilmentRow)


def build(settings: Settings, registry: SchemaRegistry, decisions: Gateway) -> Topology:
    return reacting(
        NAME,
        settings,
        registry,
        decisions,
        reads=(ORDERS_EVENTS, PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS),
        emits=(ALERTS,),
        rules=Watchdog(int(settings.order_deadline * 1_000_000)),
        rows=FULFILMENTS,
        watching=WATCHING,
        awaited="calls",  # its decisions are in the store before any checkpoint
    )
