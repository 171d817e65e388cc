"""Schedules the delivery of an order with stock; cancels it with the order."""

from collections.abc import AsyncIterator

from app.config import Settings
from app.domain import shipping
from app.domain.step import Timer
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, SHIPPING_EVENTS
from app.streaming.reactions import Gateway, Reactions
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import EventOutput, event_sources, retries

NAME = "shipping"

DELIVERIES = TableSpec("deliveries", shipping.DeliveryRow)


def build(settings: Settings, registry: SchemaRegistry, carrier: Gateway) -> Topology:
    topology = Topology(NAME, retries(settings), start_required=True)
    topology.emits(SHIPPING_EVENTS)
    reactions = Reactions(
        topology,
        *event_sources(topology, registry, INVENTORY_EVENTS, ORDERS_EVENTS),
        rules=shipping,
        rows=DELIVERIES,
        timer=Timer,
        gateway=carrier,
        emit=EventOutput(registry),
        limit_s=settings.gateway_timeout * 2,
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
