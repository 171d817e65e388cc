"""Charges each version of an order; refunds what a cancel leaves charged."""

from collections.abc import AsyncIterator

from app.config import Settings
from app.domain import payments
from app.domain.step import Timer
from app.serde.registry import SchemaRegistry
from app.serde.topics import ORDERS_EVENTS, PAYMENTS_EVENTS
from app.streaming.reactions import Gateway, Reactions
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import EventOutput, event_sources, retries

NAME = "payments"

PAYMENTS = TableSpec("payments", payments.PaymentRow)


def build(settings: Settings, registry: SchemaRegistry, provider: Gateway) -> Topology:
    topology = Topology(NAME, retries(settings), start_required=True)
    topology.emits(PAYMENTS_EVENTS)
    reactions = Reactions(
        topology,
        *event_sources(topology, registry, ORDERS_EVENTS),
        rules=payments,
        rows=PAYMENTS,
        timer=Timer,
        gateway=provider,
        emit=EventOutput(registry),
        limit_s=settings.gateway_timeout * 2,
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
