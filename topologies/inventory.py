"""Reserves the lines of each paid version in the warehouse; releases what a cancel leaves reserved."""

from collections.abc import AsyncIterator

from app.config import Settings
from app.domain import inventory
from app.domain.step import Timer
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS
from app.streaming.reactions import Gateway, Reactions
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import EventOutput, event_sources, retries

NAME = "inventory"

RESERVATIONS = TableSpec("reservations", inventory.ReservationRow)


def build(settings: Settings, registry: SchemaRegistry, warehouse: Gateway) -> Topology:
    topology = Topology(NAME, retries(settings), start_required=True)
    topology.emits(INVENTORY_EVENTS)
    reactions = Reactions(
        topology,
        *event_sources(topology, registry, PAYMENTS_EVENTS, ORDERS_EVENTS),
        rules=inventory,
        rows=RESERVATIONS,
        timer=Timer,
        gateway=warehouse,
        emit=EventOutput(registry),
        limit_s=settings.gateway_timeout * 2,
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
