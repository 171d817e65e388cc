"""Keeps the books of each order's money and stock, and of each product; alerts an order that stays unsettled."""

from collections.abc import AsyncIterator
from typing import cast

from app.alerts.port import Alert
from app.alerts.topic import ALERTS, alert_output
from app.config import Settings
from app.domain import reconciliation
from app.domain.reconciliation import SETTLE, Books, StockMoved, Unsettled, product_key
from app.domain.step import Timer
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS
from app.streaming.brake import BrakePolicy
from app.streaming.reactions import Reactions
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import event_sources, policy

NAME = "reconciliation"

BOOKS: TableSpec[Books] = TableSpec("books", cast("type[Books]", Books))


def alert_of(unsettled: Unsettled) -> Alert:
    """One alert for each order."""
    books = unsettled.books
    details = {
        "outcome": books.outcome,
        "total_minor": str(books.total_minor),
        "paid_minor": str(books.paid_minor),
        "held_minor": str(books.held_minor),
        "ordered": str(books.ordered),
        "kept": str(books.kept_quantity),
    }
    cause = {"order_id": unsettled.order_id, "outcome": books.outcome}
    return Alert(name="order.unsettled", cause=cause, details=details, raised_at=unsettled.at)


class _Nobody:
    """Books call nobody."""

    async def perform(self, call: object) -> object:
        raise TypeError(f"{call} asked of a topology that has no gateway")


def build(settings: Settings, registry: SchemaRegistry) -> Topology:
    topology = Topology(NAME, policy(NAME, settings))
    topology.watching = frozenset({SETTLE})
    topology.awaited = "nothing"
    topology.emits(ALERTS)
    by_product = topology.repartition("by-product", StockMoved, lambda moved: product_key(moved.sku))
    reads = event_sources(topology, registry, ORDERS_EVENTS, PAYMENTS_EVENTS, INVENTORY_EVENTS)

    def emit(told: StockMoved | Unsettled) -> Output:
        if isinstance(told, Unsettled):
            return alert_output(alert_of(told))
        return Output(by_product.topic, by_product.codec.key(told), by_product.encode(told))

    reactions = Reactions(
        topology,
        *reads,
        by_product,
        rules=reconciliation,
        rows=BOOKS,
        timer=Timer,
        gateway=_Nobody(),
        emit=emit,
        limit_s=settings.gateway_timeout * 2,
        brake=BrakePolicy(settings.brake_keys, settings.brake_window),
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
