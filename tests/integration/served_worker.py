"""One worker that owns what there is, served over the web server that Faust runs, and a gateway to it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import faust
from aiohttp.test_utils import TestServer

from app.observability.metrics import TASK_LAG
from app.streaming.reader import Reader
from app.web import worker_pages
from app.web.gateway import Gateway, new_client
from app.web.owners import Owner, Owners


class Status:
    reason: str | None = None

    def measure(self) -> None:
        TASK_LAG.labels("orderflow-pages", 0).set(2)

    def tasks(self) -> dict[str, object]:
        return {"0": {"lag": 2}}

    def held(self) -> list[str]:
        return ["pages[0]: braking, calls fail"]

    def unready(self) -> str | None:
        return self.reason


class _Everything:
    """The worker owns what there is."""

    def __init__(self) -> None:
        self.owner = Owner("worker-1", "")

    async def owners(self, not_those: Owners | None = None) -> Owners:
        return Owners({0: self.owner})


@asynccontextmanager
async def gateway_to(rows: Reader, tables: Collection[str]) -> AsyncIterator[Gateway]:
    """To a worker of one partition with these rows."""
    group, worker = _Everything(), faust.App("pages", broker="kafka://127.0.0.1:1")
    worker_pages.mount(worker, "worker-1", 1, rows, Status(), set(tables), group)
    worker.finalize()
    async with TestServer(await worker.web.wsgi()) as server, new_client() as client:
        group.owner = Owner("worker-1", f"http://{server.host}:{server.port}")
        yield Gateway(group, 1, client)
