"""Charges each version of an order; refunds what a cancel leaves charged. Holds, captures and releases for a saga."""

from app.alerts.topic import ALERTS
from app.config import Settings
from app.domain import payments
from app.serde.registry import SchemaRegistry
from app.serde.topics import ORDERS_EVENTS, PAYMENTS_COMMANDS, PAYMENTS_EVENTS
from app.streaming.reactions import Gateway
from app.streaming.table import TableSpec
from app.streaming.topology import Topology
from topologies.wiring import reacting

NAME = "payments"

PAYMENTS = TableSpec("payments", payments.PaymentRow)


def build(settings: Settings, registry: SchemaRegistry, provider: Gateway) -> Topology:
    return reacting(
        NAME,
        settings,
        registry,
        provider,
        reads=(ORDERS_EVENTS, PAYMENTS_COMMANDS),
        emits=(PAYMENTS_EVENTS, ALERTS),
        rules=payments,
        rows=PAYMENTS,
    )
