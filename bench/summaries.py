"""The topology that is measured: the product's own `order_summaries` projection, wired alone."""

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from app.config import Settings
from app.projections import order_summaries
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.projection import Projections
from app.streaming.topology import TaskBatch, Topology
from topologies.order_views import SUMMARIES
from topologies.wiring import event_sources, policy

NAME = "summaries-alone"

Watch: TypeAlias = Callable[[AsyncIterator[TaskBatch]], AsyncIterator[TaskBatch]]


def build(settings: Settings, name: str = NAME, watched: Watch = aiter) -> Topology:
    """`watched` sees each batch before it is processed and, asked for the next, after."""
    topology = Topology(name, policy(name, settings))
    projections = Projections(topology)
    projections.add(
        *event_sources(topology, committed_registry(), ORDERS_EVENTS), into=SUMMARIES, fold=order_summaries.fold
    )

    @topology.agent
    async def summarise(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in watched(batches):
            await projections.process(batch)

    return topology
