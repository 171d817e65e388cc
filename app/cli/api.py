"""`orderflow api`: the command API and the gateway to the views, on `ORDERFLOW_HOST`:`ORDERFLOW_PORT`."""

import asyncio
import signal
import socket
import time

import aiohttp
import typer
import uvicorn

from app.allocation import collect_less
from app.cli.listening import listen
from app.config import Settings, load
from app.deadletters.office import Office
from app.domain.events import Micros
from app.eventstore.postgres import PostgresEventStore
from app.inbox.audit import Audit
from app.inbox.history import History
from app.inbox.sending import Sender
from app.observability.log import setup
from app.people.people import People
from app.people.postgres import PostgresPersonKeys
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.registry_asked import registry_at
from app.serde.topics import ORDERS_EVENTS
from app.streaming.names import group_id
from app.web import dead_letters, people, sagas
from app.web.api import create_app
from app.web.gateway import Gateway, Gateways, new_client
from app.web.owners import GroupDirectory, callable_from
from app.web.saga_desk import SagaDesk
from app.web.views import VIEWS
from topologies import catalogue, fulfilment, inventory, orchestration, payments, shipping

VIEWED = {view.topology for view in VIEWS}
GRACE_SECONDS = 5  # for requests under way when the process is told to end
KEEP_ALIVE_SECONDS = 75  # longer than clients keep an idle connection

cli = typer.Typer(help="Run the command API and the gateway to the views.")


@cli.command()
def api() -> None:
    """Take commands at /orders, serve views at /views, dead letters at /failures, sagas at /sagas; all of it at /docs.

    Ends on SIGINT or SIGTERM; campaigns that run here are stopped then, and can be resumed.
    """
    settings = load()
    setup(settings.log_level)
    with listen(settings) as listening:
        asyncio.run(_serve(settings, listening))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    codec = event_codec(registry_at(settings.registry), ORDERS_EVENTS)
    groups = [group_id(name) for name in catalogue.NAMES]
    office = Office(settings.kafka, settings.postgres, groups, committed_registry())
    async with PostgresEventStore(settings.postgres, codec) as store, new_client() as client:
        gateways = Gateways({name: _gateway_to(name, settings, client) for name in VIEWED})
        keys = PostgresPersonKeys(settings.postgres)
        app = create_app(store, gateways, People(keys), _now)
        people.serve(app, keys)
        dead_letters.serve(app, office)
        audit = Audit(settings.postgres)
        sagas.serve(app, _saga_desk(settings, store, client, audit))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        collect_less()
        for ending in (signal.SIGINT, signal.SIGTERM):
            # the server ends on these and then raises them again: the store is still to be closed
            signal.signal(ending, signal.SIG_IGN)
        with office.open():
            await uvicorn.Server(config).serve(sockets=[listening])
        await audit.close()
        await keys.close()


def _saga_desk(settings: Settings, store: PostgresEventStore, client: aiohttp.ClientSession, audit: Audit) -> SagaDesk:
    return SagaDesk(
        store,
        _gateway_to(orchestration.NAME, settings, client),
        [_gateway_to(service.NAME, settings, client) for service in (payments, inventory, shipping)],
        _gateway_to(fulfilment.NAME, settings, client),
        History(settings.kafka, registry_at(settings.registry)),
        audit,
        Sender(settings.kafka, committed_registry()),
        deadline_us=int(settings.order_deadline * 1_000_000),
        now=_now,
    )


def _gateway_to(topology: str, settings: Settings, client: aiohttp.ClientSession) -> Gateway:
    directory = GroupDirectory(settings.kafka, group_id(topology), callable_from(settings.host))
    return Gateway(directory, settings.partitions, client)


def _now() -> Micros:
    return time.time_ns() // 1_000
