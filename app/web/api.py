"""Puts the HTTP service together: the command API, the gateway to the views, health."""

from collections.abc import Callable

from fastapi import FastAPI

from app.commands.service import Commands
from app.domain.events import Micros
from app.eventstore.port import EventStore
from app.people.people import People
from app.web import failures, health, openapi, orders, reading
from app.web.gateway import Readable
from app.web.middleware import BodyLimit, Measured

DESCRIPTION = """Orders are event-sourced: commands go to `/orders`, and what follows from them is read at `/views`.
A command is safe to repeat with its `Idempotency-Key`; `If-Match` makes it conditional on the order's version.
"""


def create_app(store: EventStore, gateway: Readable, people: People, now: Callable[[], Micros]) -> FastAPI:
    """The service over a store, a gateway and keys of persons that are open for as long as it serves."""
    app = FastAPI(title="orderflow", version="1", description=DESCRIPTION, redirect_slashes=False, redoc_url=None)
    app.state.store, app.state.commands, app.state.gateway = store, Commands(store, now), gateway
    app.state.people = people
    app.include_router(orders.router)
    app.include_router(reading.router)
    app.include_router(health.router)
    failures.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Measured)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the page
    return app
