"""A worker process of a chaos run: `python -m tests.chaos.seeded.worker TOPOLOGY [PLANT]`, configured by `ORDERFLOW_*`.

A planted fault shows that a run finds what it is there to find.
"""

import asyncio
import os
import sys
from typing import Any

import msgspec
from confluent_kafka import Producer

from app.config import Settings, load
from app.errors import OrderflowError
from app.observability.log import setup
from app.streaming.errors import NotActiveError
from app.streaming.faust.app import App, Membership
from app.streaming.faust.process import serve
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.status import WorkerStatus
from app.streaming.reader import Reader
from app.streaming.topology import Topology
from tests.chaos.seeded import tallies
from topologies import catalogue

PLANTS = ("doubled", "unfenced")


def topology_of(name: str, settings: Settings, *, doubles_first: bool = False) -> Topology:
    if name == tallies.NAME:
        return tallies.build(settings, tallies.Rules(doubles_first=doubles_first))
    return catalogue.build(name, settings)


def _is_restart(settings: Settings) -> bool:
    """Whether a worker has run on this disk before."""
    mark = settings.data / "started"
    known = mark.exists()
    settings.data.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return known


def _do_not_fence() -> None:
    """Every process has transactional ids of its own, so that nobody fences anybody."""
    fencing = Clients.producer

    def producer(self: Clients, transactional_id: str) -> Producer:
        return fencing(self, f"{transactional_id}-{os.getpid()}")

    Clients.producer = producer  # type: ignore[method-assign]  # a planted fault


async def run(name: str, settings: Settings, plant: str) -> None:
    if plant == "unfenced":
        _do_not_fence()
    membership = Membership(
        bootstrap=settings.kafka,
        name=settings.name,
        url=f"http://{settings.host}:{settings.port}",
        host=settings.host,
        port=settings.port,
        partitions=settings.partitions,
        session_timeout_s=settings.session_timeout,
        directory=settings.data,
    )
    topology = topology_of(name, settings, doubles_first=plant == "doubled" and _is_restart(settings))
    interval_s = settings.commit_interval_ms / 1000
    await serve(topology, membership, _mount, interval_s=interval_s, start="earliest")


def _mount(app: App, reader: Reader, status: WorkerStatus) -> None:
    async def rows(page: Any, request: Any, table: str, partition: str) -> Any:
        try:
            found = reader.scan(table, int(partition), ())
        except NotActiveError as error:
            return page.json({"detail": str(error)}, status=503)
        return page.bytes(msgspec.json.encode({"rows": found}), content_type="application/json")

    async def tasks(page: Any, request: Any) -> Any:
        return page.json(status.tasks())

    pages: Any = app
    pages.page("/rows/{table}/{partition}")(rows)
    pages.page("/tasks")(tasks)


def main() -> None:
    settings = load()
    setup("info")
    try:
        asyncio.run(run(sys.argv[1], settings, sys.argv[2] if len(sys.argv) > 2 else ""))
    except OrderflowError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
