"""The command API on a port of its own, over a store in memory, with failures on the way that a test plans."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.eventstore.memory import MemoryEventStore
from app.people.people import People
from app.web.api import create_app
from app.web.gateway import Gateway, new_client
from app.web.owners import Owners
from tests.contract.person_keys import MemoryPersonKeys
from tests.waiting import PATIENCE_S, until

NOW = 1_317_914_400_000_000


class NoOwners:
    async def owners(self, not_those: Owners | None = None) -> Owners:
        return Owners()


class Failing:
    """Answers request number n as `plan[n]` says: 503 untouched, `lost` (done, then 500), or not at all spoiled."""

    app: ASGIApp

    def __init__(self, plan: dict[int, str]) -> None:
        self._plan = plan
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fate = self._plan.get(self.requests, "served")
        self.requests += 1
        if fate == "served":
            await self.app(scope, receive, send)
            return
        if fate == "lost":
            await self.app(scope, receive, _nowhere)
        status = 500 if fate == "lost" else 503
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def _nowhere(_: Message) -> None:
    pass


class Api:
    """Where it is, what it stored, and how many requests it had."""

    def __init__(self, store: MemoryEventStore, plan: dict[int, str]) -> None:
        self.store = store
        self.failing = Failing(plan)
        self.url = ""

    async def serve(self, server: uvicorn.Server) -> None:
        async with new_client() as workers:
            people = People(MemoryPersonKeys())
            self.failing.app = create_app(self.store, Gateway(NoOwners(), 4, workers), people, lambda: NOW)
            await server.serve()


@contextmanager
def serving(plan: dict[int, str] | None = None) -> Iterator[Api]:
    api = Api(MemoryEventStore(), plan or {})
    server = uvicorn.Server(uvicorn.Config(api.failing, port=0, lifespan="off", log_level="error"))
    thread = threading.Thread(target=lambda: asyncio.run(api.serve(server)), daemon=True)
    thread.start()
    until(lambda: server.started, "the API serves")
    port = server.servers[0].sockets[0].getsockname()[1]
    api.url = f"http://127.0.0.1:{port}"
    try:
        yield api
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
