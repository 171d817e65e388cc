"""Folds the events of all services into the tables behind the views."""

from collections.abc import AsyncIterator

from app.config import Settings
from app.projections import customer_orders, daily_sales, order_summaries, product_demand
from app.serde.registry import SchemaRegistry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS
from app.streaming.projection import Projections, RowFeed
from app.streaming.table import TableSpec
from app.streaming.topology import TaskBatch, Topology
from topologies.wiring import event_sources, policy

NAME = "order-views"

SUMMARIES = TableSpec("order_summaries", order_summaries.OrderSummary)
CUSTOMERS = TableSpec("customer_orders", customer_orders.Row)
SALES = TableSpec("daily_sales", daily_sales.Row)
DEMAND = TableSpec("product_demand", product_demand.Row)


def build(settings: Settings, registry: SchemaRegistry) -> Topology:
    views = Topology(NAME, policy(NAME, settings))
    events = event_sources(views, registry, ORDERS_EVENTS, PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS)
    by_customer = views.repartition("by-customer", customer_orders.Change, customer_orders.partition_key)
    by_day = views.repartition("by-day", daily_sales.Change, daily_sales.partition_key)
    by_sku = views.repartition("by-sku", product_demand.Change, product_demand.partition_key)

    feeds = (
        RowFeed(by_customer, customer_orders.changes),
        RowFeed(by_day, daily_sales.changes),
        RowFeed(by_sku, product_demand.changes),
    )
    projections = Projections(views)
    projections.add(*events, into=SUMMARIES, fold=order_summaries.fold, feeds=feeds)
    projections.add(by_customer, into=CUSTOMERS, fold=customer_orders.fold, key=customer_orders.key)
    projections.add(by_day, into=SALES, fold=daily_sales.fold, key=daily_sales.key)
    projections.add(by_sku, into=DEMAND, fold=product_demand.fold, key=product_demand.key)

    @views.agent
    async def project(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await projections.process(batch)

    return views
