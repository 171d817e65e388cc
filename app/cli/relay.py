"""`orderflow relay`: publishes the outbox; health and metrics on `ORDERFLOW_HOST`:`ORDERFLOW_PORT`."""

import signal
import socket
import threading
from datetime import timedelta

import typer
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.alerts.produced import ProducedAlerts
from app.allocation import collect_less
from app.cdc.guard import SlotGuard
from app.cli.listening import listen
from app.config import Settings, load
from app.domain.events import OrderCancelled, OrderConfirmed
from app.eventstore import backlog
from app.eventstore.housekeeping import keep_house
from app.eventstore.outbox_parts import OutboxParts
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from app.eventstore.results import ResultExpiry
from app.observability import metrics
from app.observability.log import setup
from app.serde.topics import ORDERS_EVENTS, full_name
from app.streaming.names import group_id
from app.web.problem import MEDIA_TYPE, Problem

GROUP = group_id("relay")

cli = typer.Typer()


@cli.command()
def relay() -> None:
    """Publish what is appended, in order per order, each event once. Any number may run. Ends on SIGINT or SIGTERM.

    It also watches the slot of change data capture, whoever publishes, and removes what is old: published rows of
    the outbox, and results of commands.
    """
    settings = load()
    setup(settings.log_level)
    running = Relay(settings.postgres, lambda shard: Publisher(settings.kafka, GROUP, ORDERS_EVENTS, shard))
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: running.stop())
    threading.Thread(target=_keep_house, args=(settings,), daemon=True).start()
    collect_less()
    guard = SlotGuard(settings.postgres, ProducedAlerts(settings.kafka).send)
    threading.Thread(target=guard.run, args=(threading.Event(),), daemon=True).start()
    threading.Thread(target=_serve, args=(settings, running, listen(settings)), daemon=True).start()
    running.run()


def _keep_house(settings: Settings) -> None:
    ends = [full_name(kind) for kind in (OrderConfirmed, OrderCancelled)]
    results = ResultExpiry(settings.postgres, timedelta(days=settings.results_keep_days), ends)
    outbox = OutboxParts(settings.postgres, timedelta(days=settings.outbox_keep_days))
    keep_house(threading.Event(), results.expire, outbox.tend)


def _serve(settings: Settings, running: Relay, listening: socket.socket) -> None:
    async def live(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        troubles = running.troubles()
        if not troubles:
            return JSONResponse({"status": "ready"})
        problem = Problem("UNAVAILABLE", "; ".join(troubles))
        return Response(problem.body(), problem.status, problem.headers, MEDIA_TYPE)

    def measured(_: Request) -> Response:
        backlog.measure(settings.postgres)
        return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE})

    app = Starlette(routes=[Route("/livez", live), Route("/readyz", ready), Route("/metrics", measured)])
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listening])
