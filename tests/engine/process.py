"""A worker process of a test topology, with the life of a real one; its one argument is an `Order` in JSON."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app.errors import OrderflowError
from app.observability import metrics
from app.observability.log import setup
from app.streaming import watchdog
from app.streaming.errors import NotActiveError
from app.streaming.faust.app import App, Membership
from app.streaming.faust.process import serve
from app.streaming.kafka import owned, restore
from app.streaming.kafka.offsets import Start
from app.streaming.kafka.status import WorkerStatus
from app.streaming.reader import Reader
from app.streaming.topology import Topology
from tests.engine.points import Death, arm
from tests.engine.topologies import acting, counting


class Order(msgspec.Struct, kw_only=True):
    """What a worker process is to run."""

    kind: str
    topology: str
    shared: str  # files that all workers of the topology see
    delays_ms: tuple[int, ...] = (100, 200, 400)
    extra: str = ""
    parked_most: int = 10_000
    limit_s: float = 2.0
    start: Start | None = "earliest"
    interval_s: float = 0.1
    bootstrap: str
    name: str
    port: int
    directory: str
    partitions: int = 4
    session_timeout_s: float = 2.0
    static: bool = False
    standbys: int = 0
    patience_s: float = 0.0  # with a restore that stands still, a handler that does not return; 0: as it is shipped
    slow_restore_s: float = 0.0  # for so long the disk takes each part of a restore
    max_poll_interval_s: float = 60.0
    state_memory_mb: int = 64
    dies_at: str = ""  # one of `tests.engine.points`, reached for the `dies_on`th time
    dies_on: int = 1


def topology_of(order: Order) -> Topology:
    if order.kind == "counting":
        return counting(order.topology, Path(order.shared), order.delays_ms, order.extra, order.parked_most)
    return acting(order.topology, Path(order.shared), order.delays_ms, order.limit_s, order.parked_most)


def slowly(call: Callable[..., int], seconds: float) -> Callable[..., int]:
    def slow(*arguments: Any) -> int:
        time.sleep(seconds)
        return call(*arguments)

    return slow


async def run(order: Order) -> None:
    if order.patience_s:
        owned.SETTLE_S = restore.STALLED_S = watchdog.STUCK_S = order.patience_s
    if order.slow_restore_s:
        restore.replay = slowly(restore.replay, order.slow_restore_s)
    if order.dies_at:
        arm(Death(order.dies_at, order.dies_on, Path(order.shared) / "died_at"))
    membership = Membership(
        bootstrap=order.bootstrap,
        name=order.name,
        url=f"http://127.0.0.1:{order.port}",
        host="127.0.0.1",
        port=order.port,
        partitions=order.partitions,
        session_timeout_s=order.session_timeout_s,
        static=order.static,
        standbys=order.standbys,
        directory=Path(order.directory),
        state_memory_mb=order.state_memory_mb,
    )
    topology = topology_of(order)

    def pages(app: App, reader: Reader, status: WorkerStatus) -> None:
        app.conf.broker_max_poll_interval = order.max_poll_interval_s
        _mount(app, reader, status)

    await serve(topology, membership, pages, interval_s=order.interval_s, start=order.start)


def _mount(app: Any, reader: Reader, status: WorkerStatus) -> None:
    """Rows of a table by partition, and the tasks: what an answer of the worker would be made of."""

    async def rows(page: Any, request: Any, table: str, partition: str) -> Any:
        try:
            position = reader.standing(int(partition)).position
            found = [msgspec.to_builtins(row) for row in reader.scan(table, int(partition), ())]
        except NotActiveError as error:
            return page.json({"code": "NOT_ACTIVE", "detail": str(error)}, status=503)
        return page.bytes(msgspec.json.encode({"rows": found, "position": position}), content_type="application/json")

    async def tasks(page: Any, request: Any) -> Any:
        return page.json(status.tasks() | {"unready": status.unready()})

    async def measured(page: Any, request: Any) -> Any:
        status.measure()
        return page.bytes(metrics.exposition(), content_type="text/plain")

    app.page("/metrics")(measured)
    app.page("/rows/{table}/{partition}")(rows)
    app.page("/tasks")(tasks)


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    setup("info")
    try:
        asyncio.run(run(order))
    except OrderflowError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
