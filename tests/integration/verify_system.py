"""A small quiet system on real servers: two orders, everything about them as it must be.

The event store, the warehouse, the topics and the parties are real; the workers are members of their groups that
have read everything and serve what they are told to.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import httpx
import msgspec
import psycopg
import uvicorn
from aiohttp import web
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from app.config import Settings
from app.domain import events as e
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import full_name, topic_of
from app.simulators.carrier import CARRIER
from app.simulators.faults import Faults
from app.simulators.ledger import Ledger
from app.simulators.party import Party
from app.simulators.provider import PROVIDER
from app.simulators.service import application
from app.verify.kafka import KafkaReader
from app.verify.model import TOPICS
from app.verify.quiet import SOURCES, group_of, inputs
from app.verify.topics import TABLES
from app.web.moments import text

PARTITIONS, LIMIT = 2, 30.0
OWN_TOPICS = ("orderflow-payments-retry-2000", "orderflow-order-views-sales-repartition")
LETTERS = [f"{group_of(topology)}-dlq" for topology in SOURCES]
CHANGELOGS = [f"orderflow-order-views-{table}-changelog" for table in TABLES]

PEN = e.Item(sku="PEN/blue", quantity=2, unit_price_minor=150)
KEPT, UNDONE = str(uuid5(NAMESPACE_OID, "kept")), str(uuid5(NAMESPACE_OID, "undone"))
DAY, PLACED_AT = "2011-10-06", 1_317_914_400_000_000


def envelope(order_id: str, name: str, version: int) -> dict[str, Any]:
    event_id = str(uuid5(NAMESPACE_OID, f"{order_id} {name}"))
    facts = {"occurred_at": PLACED_AT, "correlation_id": order_id, "causation_id": event_id}
    return {"event_id": event_id, "order_id": order_id, "version": version, **facts}


def stored_events(order_id: str) -> list[e.Event]:
    """One version of two pens, then its outcome."""
    created = e.OrderCreated(
        **envelope(order_id, "created", 1),
        customer_id="17850",
        currency="GBP",
        reference="R1",
        items=(PEN,),
        fulfilment="choreography",
        placed_at=PLACED_AT,
    )
    if order_id == KEPT:
        outcome = envelope(order_id, "confirmed", 2)
        return [created, e.OrderConfirmed(**outcome, customer_id="17850", currency="GBP", total_minor=300)]
    return [created, e.OrderCancelled(**envelope(order_id, "cancelled", 2), customer_id="17850", reason="customer")]


def answers(order_id: str, delivery_id: str) -> list[e.Event]:
    """What the services told of the order's one version."""
    version: dict[str, Any] = {"order_version": 1}
    paid: dict[str, Any] = {**version, "currency": "GBP", "amount_minor": 300}
    more: dict[str, Any] = {"customer_id": "17850", "items": (PEN,), "fulfilment": "choreography"}
    done: list[e.Event] = [
        e.PaymentCompleted(**envelope(order_id, "paid", 1), **paid, **more),
        e.StockReserved(**envelope(order_id, "reserved", 1), **version, **more),
        e.DeliveryScheduled(**envelope(order_id, "scheduled", 1), **version, delivery_id=delivery_id),
    ]
    undone: list[e.Event] = [
        e.PaymentRefunded(**envelope(order_id, "refunded", 2), **paid),
        e.StockReleased(**envelope(order_id, "released", 2), **version),
        e.DeliveryCancelled(**envelope(order_id, "undelivered", 2), **version, delivery_id=delivery_id),
    ]
    return done if order_id == KEPT else [*done, *undone]


def encoded(event: e.Event) -> bytes:
    return event_codec(committed_registry(), topic_of(type(event))).encode(event)


def served_rows(delivery_ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the views show of the two orders, written out by hand."""
    listed = {"reference": "R1", "currency": "GBP", "total_minor": 300, "placed_at": text(PLACED_AT)}
    shared = {**listed, "customer_id": "17850", "item_count": 2, "lines": [{"sku": PEN.sku, "quantity": 2}]}
    shared |= {"version": 2, "charged_minor": 300, "reserved_versions": [1], "position": {}, "lag": 0}
    kept: dict[str, Any] = {
        "status": "confirmed",
        "reason": None,
        "refunded_minor": 0,
        "released_versions": [],
        "delivery": "scheduled",
    }
    undone = {"status": "cancelled", "reason": "customer", "refunded_minor": 300, "released_versions": [1]}
    orders = [{"order_id": KEPT, "status": "confirmed"}, {"order_id": UNDONE, "status": "cancelled"}]
    of_day = {"day": DAY, "currency": "GBP", "orders": 2, "total_minor": 600, "confirmed_orders": 1}
    of_day |= {"confirmed_total_minor": 300, "cancelled_orders": 1, "cancelled_total_minor": 300}
    demand = {"sku": PEN.sku, "orders": 2, "ordered_quantity": 4, "confirmed_quantity": 2, "cancelled_quantity": 2}
    return {
        f"/views/orders/{KEPT}": {**shared, **kept, "order_id": KEPT, "delivery_id": delivery_ids[KEPT]},
        f"/views/orders/{UNDONE}": {
            **shared,
            **undone,
            "order_id": UNDONE,
            "delivery": "cancelled",
            "delivery_id": delivery_ids[UNDONE],
        },
        "/views/customers/17850/orders": {
            "customer_id": "17850",
            "orders": [{**listed, **order} for order in sorted(orders, key=lambda order: order["order_id"])],
        },
        f"/views/sales/{DAY}?currency=GBP": of_day,
        "/views/products/PEN%2Fblue/demand": demand,
    }


class SmallSystem:
    """The running system, and the ways to plant wrongs in it."""

    def __init__(self, settings: Settings, rows: dict[str, dict[str, Any]], producer: Producer) -> None:
        self.settings, self.rows, self._producer = settings, rows, producer
        self.groups: dict[str, Consumer] = {}
        self.task = {"state": "active", "lag": 0, "timers": 0, "parked": 0, "in_flight": 0, "dirty": False}

    def produce(self, records: Iterable[tuple[str, str, bytes | None, list[tuple[str, bytes]]]]) -> None:
        """In one transaction, so that markers lie at the ends of the topics."""
        self._producer.begin_transaction()
        for topic, key, value, headers in records:
            self._producer.produce(topic, value, key, headers=headers)
        self._producer.commit_transaction(LIMIT)

    def publish(self, *events: e.Event) -> None:
        self.produce((topic_of(type(event)), event.order_id, encoded(event), []) for event in events)

    def read_everything(self) -> None:
        """Every group commits the ends of all that it reads."""
        reader = KafkaReader(self.settings.kafka)
        for topology, member in self.groups.items():
            ends = reader.ends(inputs(topology, reader.topics()))
            offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
            member.commit(offsets=offsets, asynchronous=False)

    def sql(self, statement: str, *parameters: object) -> None:
        with psycopg.connect(self.settings.postgres, autocommit=True) as connection:
            connection.execute(statement.encode(), parameters)

    def store(self, event: e.Event) -> None:
        row = (event.order_id, event.version, event.event_id, full_name(type(event)), encoded(event))
        self.sql("insert into events (order_id, version, event_id, type, payload) values (%s, %s, %s, %s, %s)", *row)

    async def charge(self, order_id: str, order_version: int) -> None:
        charge = {"customer_id": "17850", "currency": "GBP", "amount_minor": 300}
        await _call("PUT", f"{self.settings.provider}/charges/{order_id}/{order_version}", charge)

    async def schedule(self, order_id: str, order_version: int) -> str:
        url = f"{self.settings.carrier}/deliveries/{order_id}/{order_version}"
        return str((await _call("PUT", url, {"customer_id": "17850"}))["delivery_id"])

    def reserve(self, order_id: str, order_version: int) -> None:
        self.sql("select warehouse.reserve(%s, %s, %s, %s)", order_id, order_version, [PEN.sku], [PEN.quantity])


@asynccontextmanager
async def small_system(kafka: str, database: str, data: Path) -> AsyncIterator[SmallSystem]:
    """Everything started, both orders through it, all read to the ends."""
    async with AsyncExitStack() as stack:
        provider, carrier = [await stack.enter_async_context(_party(party, data)) for party in (PROVIDER, CARRIER)]
        rows: dict[str, dict[str, Any]] = {}
        task: dict[str, Any] = {}
        views = await stack.enter_async_context(_workers(rows, task))
        settings = Settings(kafka=kafka, postgres=database, api=views, provider=provider, carrier=carrier)
        _create_topics(kafka)
        producer = Producer({**_client(kafka), "transactional.id": "small-system", "linger.ms": 0})
        await asyncio.to_thread(producer.init_transactions, LIMIT)
        system = SmallSystem(settings, rows, producer)
        task |= system.task
        system.task = task
        rows |= served_rows(await _two_orders(system))
        for topology in SOURCES:
            system.groups[topology] = await asyncio.to_thread(_member, kafka, topology, views)
            stack.callback(system.groups[topology].close)
        await asyncio.to_thread(system.read_everything)
        yield system


async def _two_orders(system: SmallSystem) -> dict[str, str]:
    system.sql("select warehouse.receive('first', %s, %s)", [PEN.sku], [100])
    delivery_ids: dict[str, str] = {}
    for order_id in (KEPT, UNDONE):
        await system.charge(order_id, 1)
        system.reserve(order_id, 1)
        delivery_ids[order_id] = await system.schedule(order_id, 1)
        stored = stored_events(order_id)
        for event in stored:
            system.store(event)
        system.publish(*stored, *answers(order_id, delivery_ids[order_id]))
    system.sql("select warehouse.release(%s, '{1}')", UNDONE)
    undo = {"order_versions": [1]}
    await _call("POST", f"{system.settings.provider}/charges/{UNDONE}/void", undo)
    await _call("POST", f"{system.settings.carrier}/deliveries/{UNDONE}/cancel", undo)
    return delivery_ids


def _client(kafka: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka, "log_level": 0}


def _create_topics(kafka: str) -> None:
    names = [*TOPICS, *OWN_TOPICS, *LETTERS, *CHANGELOGS]
    admin = AdminClient(_client(kafka))
    for done in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        done.result(LIMIT)


def _member(kafka: str, topology: str, url: str) -> Consumer:
    """A member of the topology's group that has its partitions."""
    address = url.removeprefix("http://")
    settings = {"group.id": group_of(topology), "client.id": f"{topology}-1@{address}", "enable.auto.commit": False}
    member = Consumer({**_client(kafka), **settings})
    member.subscribe(inputs(topology, dict.fromkeys(OWN_TOPICS, PARTITIONS)))
    while not member.assignment():
        member.poll(0.1)
    member.pause(member.assignment())
    return member


@asynccontextmanager
async def _party(party: Party, data: Path) -> AsyncIterator[str]:
    """A simulated party on a free port."""
    ledger = Ledger(data / f"{party.name}.db")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application(party, ledger, Faults(lambda: 0.0)), log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running
    ledger.close()


@asynccontextmanager
async def _workers(rows: dict[str, dict[str, Any]], task: dict[str, Any]) -> AsyncIterator[str]:
    """One address for all workers and the gateway."""

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/tasks":
            return web.json_response({"tasks": [{"partition": n, **task} for n in range(PARTITIONS)]})
        row = rows.get(request.raw_path)
        if row is None:
            return web.Response(status=404)
        return web.Response(body=msgspec.json.encode(row), content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def _call(method: str, url: str, body: object) -> Any:
    async with httpx.AsyncClient() as client:
        return (await client.request(method, url, json=body)).raise_for_status().json()
