"""`orderflow worker NAME`: one replica of a topology. Composes settings, gateways, engine and web."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator

import typer

from app.alerts.everywhere import Everywhere
from app.alerts.log import LogAlerts
from app.alerts.port import Alerts
from app.alerts.webhook import WebhookAlerts
from app.cli.listening import reached_at
from app.cli.starting import start_of
from app.commands.decisions import Decisions
from app.commands.service import Commands
from app.config import Settings, load
from app.errors import SetupError
from app.eventstore.port import StoreUnavailableError
from app.eventstore.postgres import PostgresEventStore
from app.eventstore.void import VoidRecords, void_records
from app.gateways.carrier import HttpCarrier
from app.gateways.provider import HttpProvider
from app.gateways.warehouse import PostgresWarehouse
from app.observability.log import logger, setup
from app.people.recipients import StoredRecipients
from app.serde.codec import EventCodec, event_codec
from app.serde.decoder import decoder_in_use
from app.serde.registry_asked import registry_at
from app.serde.topics import ORDERS_EVENTS
from app.streaming.faust.app import App, Membership
from app.streaming.faust.process import serve
from app.streaming.kafka.client import client_in_use
from app.streaming.kafka.offsets import Start
from app.streaming.kafka.status import WorkerStatus
from app.streaming.kafka.worker import now_us
from app.streaming.reactions import Gateway
from app.streaming.reader import Reader
from app.web import worker_pages
from app.web.owners import GroupDirectory, callable_from
from topologies import alerts, catalogue, fulfilment, inventory, orchestration, payments, shipping

log = logger(__name__)
cli = typer.Typer(help="Run one replica of a topology.")


@cli.command()
def worker(
    name: str = typer.Argument(help="The topology, such as order-views."),
    begin: str = typer.Option(None, "--from", help="Where a new group starts: earliest, latest or an ISO time."),
) -> None:
    """Run until SIGTERM or SIGINT; then what is done is committed, within 10 s."""
    settings = load()
    setup(settings.log_level)
    log.info("worker.compiled", decoder=decoder_in_use(), client=client_in_use())
    asyncio.run(_serve(name, settings, start_of(begin)))


async def _serve(name: str, settings: Settings, start: Start | None) -> None:
    async with _gateway(name, settings) as gateway:
        topology = catalogue.build(name, settings, gateway)
        if ORDERS_EVENTS in topology.sources:
            topology.void = await asyncio.to_thread(_void, settings)
        member = settings.name or f"{topology.name}-{socket.gethostname()}-{os.getpid()}"

        def pages(app: App, reader: Reader, status: WorkerStatus) -> None:
            group = GroupDirectory(settings.kafka, topology.group, callable_from(settings.host))
            worker_pages.mount(app, member, settings.partitions, reader, status, set(topology.tables), group)

        interval_s = settings.commit_interval_ms / 1000
        await serve(topology, _membership(member, settings), pages, interval_s=interval_s, start=start)


def _void(settings: Settings) -> VoidRecords:
    """Without an answer, the worker takes all records: as dead letters, if nothing else can be made of them."""
    try:
        return void_records(settings.postgres)
    except StoreUnavailableError as error:
        log.warning("worker.void_records_unknown", error=str(error))
        return {}


def _orders(settings: Settings) -> EventCodec:
    """Of what is stored, which a process of the next release may have written."""
    return event_codec(registry_at(settings.registry), ORDERS_EVENTS)


@contextlib.asynccontextmanager
async def _gateway(name: str, settings: Settings) -> AsyncIterator[Gateway | None]:
    """What the topology acts through, open while it runs."""
    if name in {fulfilment.NAME, orchestration.NAME}:
        async with PostgresEventStore(settings.postgres, _orders(settings)) as store:
            yield Decisions(Commands(store, now_us))
        return
    limit_s = settings.gateway_timeout
    party: HttpProvider | PostgresWarehouse | HttpCarrier | Everywhere
    if name == payments.NAME:
        party = HttpProvider(settings.provider, limit_s)
    elif name == inventory.NAME:
        party = PostgresWarehouse(settings.postgres, limit_s)
    elif name == shipping.NAME:
        party = HttpCarrier(settings.carrier, limit_s, StoredRecipients(settings.postgres, _orders(settings)))
    elif name == alerts.NAME:
        party = Everywhere(*_receivers(settings))
    else:
        yield None
        return
    try:
        yield party
    finally:
        await party.close()


def _receivers(settings: Settings) -> Iterator[Alerts]:
    """The log first: it cannot fail."""
    yield LogAlerts()
    if settings.alert_webhook and not settings.alert_secret:
        raise SetupError(
            "alerts to a webhook are signed: set ORDERFLOW_ALERT_SECRET to what its receiver knows, or leave out "
            "ORDERFLOW_ALERT_WEBHOOK"
        )
    if settings.alert_webhook:
        secret = settings.alert_secret.encode()
        yield WebhookAlerts(settings.alert_webhook, secret, timeout_s=settings.gateway_timeout)


def _membership(name: str, settings: Settings) -> Membership:
    return Membership(
        bootstrap=settings.kafka,
        name=name,
        url=reached_at(settings),
        host=settings.host,
        port=settings.port,
        partitions=settings.partitions,
        session_timeout_s=settings.session_timeout,
        directory=settings.data,
        static=bool(settings.name),
        standbys=settings.standbys,
        state_memory_mb=settings.state_memory_mb,
        state_keep_s=settings.state_keep,
    )
