"""A small quiet system on real servers: two orders, everything about them as it must be.

The event store, the warehouse, the topics and the parties are real; the workers are members of their groups that
have read everything and serve what they are told to.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import uvicorn
from aiohttp import web
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from app.config import Settings
from app.domain import events as e
from app.serde.cloudevents import headers
from app.serde.topics import full_name, topic_of
from app.simulators.carrier import CARRIER
from app.simulators.faults import Faults
from app.simulators.ledger import Ledger
from app.simulators.party import Party
from app.simulators.provider import PROVIDER
from app.simulators.service import application
from app.verify.changelogs import TABLES
from app.verify.changelogs import topic_of as changelog_of
from app.verify.kafka import KafkaReader
from app.verify.quiet import SOURCES, group_of, inputs
from tests.integration.verify_two_orders import (
    KEPT,
    PEN,
    UNDONE,
    answers,
    encoded,
    served_rows,
    stored_events,
    stored_rows,
)
from tests.waiting import PATIENCE_S, until

PARTITIONS = 2
OWN_TOPICS = ("orderflow-payments-retry-2000", "orderflow-order-views-sales-repartition")
LETTERS = [f"{group_of(topology)}-dlq" for topology in SOURCES]
CHANGELOGS = [changelog_of(table) for table in TABLES]


class SmallSystem:
    """The running system, and the ways to plant wrongs in it."""

    def __init__(self, settings: Settings, rows: dict[str, dict[str, Any]], producer: Producer) -> None:
        self.settings, self.rows, self._producer = settings, rows, producer
        self.groups: dict[str, Consumer] = {}
        self.task = {"state": "active", "lag": 0, "timers": 0, "parked": 0, "in_flight": 0, "dirty": False}

    def produce(self, records: Iterable[tuple[str, str | bytes, bytes | None, list[tuple[str, bytes]]]]) -> None:
        """In one transaction, so that markers lie at the ends of the topics."""
        self._producer.begin_transaction()
        for topic, key, value, others in records:
            self._producer.produce(topic, value, key, headers=others)
        self._producer.commit_transaction(PATIENCE_S)

    @contextmanager
    def open_transaction(self, topic: str) -> Iterator[None]:
        """A record in a transaction that is aborted at the end."""
        self._producer.begin_transaction()
        self._producer.produce(topic, b"", KEPT)
        self._producer.flush(PATIENCE_S)
        yield
        self._producer.abort_transaction(PATIENCE_S)

    def publish(self, *events: e.Event) -> None:
        self.produce((topic_of(type(event)), event.order_id, encoded(event), headers(event)) for event in events)

    def wait_for_markers(self) -> None:
        """A transaction's markers are written after its end was answered."""
        reader = KafkaReader(self.settings.kafka)
        topics = list(reader.topics())
        until(lambda: reader.ends(topics) == reader.ends(topics, committed=False), "every transaction has its marker")

    def read_everything(self) -> None:
        """Every group commits the ends of all that it reads."""
        self.wait_for_markers()
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
        keyed = {"partitioner": "murmur2_random"}  # as every producer of the system
        producer = Producer({**_client(kafka), **keyed, "transactional.id": "small-system", "linger.ms": 0})
        await asyncio.to_thread(producer.init_transactions, PATIENCE_S)
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
    published: list[e.Event] = []
    for order_id in (KEPT, UNDONE):
        await system.charge(order_id, 1)
        system.reserve(order_id, 1)
        delivery_ids[order_id] = await system.schedule(order_id, 1)
        stored = stored_events(order_id)
        for event in stored:
            system.store(event)
        published += [*stored, *answers(order_id, delivery_ids[order_id])]
    system.publish(*published)
    system.produce((changelog_of(table), key, row, []) for (table, key), row in stored_rows(published).items())
    system.sql("select warehouse.release(%s, '{1}')", UNDONE)
    undo = {"order_versions": [1]}
    await _call("POST", f"{system.settings.provider}/charges/{UNDONE}/void", undo)
    await _call("POST", f"{system.settings.carrier}/deliveries/{UNDONE}/cancel", undo)
    return delivery_ids


def _client(kafka: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka, "log_level": 0}


def _create_topics(kafka: str) -> None:
    names = [*{topic for read in SOURCES.values() for topic in read}, *OWN_TOPICS, *LETTERS, *CHANGELOGS]
    admin = AdminClient(_client(kafka))
    for done in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        done.result(PATIENCE_S)


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
