"""Confirms an order that is paid, reserved and scheduled; cancels it on the first refusal."""

from collections.abc import AsyncIterator

from app.config import Settings
from app.domain import fulfilment
from app.domain.step import Timer
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS
from app.streaming.reactions import Gateway, Reactions
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import EventOutput, event_sources, retries

NAME = "fulfilment"

FULFILMENTS = TableSpec("fulfilments", fulfilment.FulfilmentRow)


def build(settings: Settings, registry: SchemaRegistry, decisions: Gateway) -> Topology:
    topology = Topology(NAME, retries(settings), start_required=True)
    reactions = Reactions(
        topology,
        *event_sources(topology, registry, ORDERS_EVENTS, PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS),
        rules=fulfilment,
        rows=FULFILMENTS,
        timer=Timer,
        gateway=decisions,
        emit=EventOutput(registry),
        limit_s=settings.gateway_timeout * 2,
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
