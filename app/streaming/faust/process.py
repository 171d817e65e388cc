"""The life of one worker process: it joins its group, runs its tasks, and ends in order when it is told to."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaException

from app.allocation import collect_less, share_arenas
from app.observability.log import logger
from app.streaming.errors import KafkaUnreachableError
from app.streaming.faust import private
from app.streaming.faust.app import App, Membership, faust_app
from app.streaming.faust.membership import watch
from app.streaming.kafka import topics
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.limited import Limit, limited
from app.streaming.kafka.offsets import Start
from app.streaming.kafka.status import WorkerStatus
from app.streaming.kafka.worker import Worker
from app.streaming.memory import StateMemory
from app.streaming.reader import Reader
from app.streaming.stores import Stores
from app.streaming.topology import Topology
from app.streaming.watchdog import Watchdog

log = logger(__name__)

STOP_S = 8.0  # what a supervisor gives a process is 10 s; a task cut off here is mended by its next owner

THREADS = 64  # a restore holds one for as long as it takes, and commits must not wait for it

SWEEPS = 4  # of left stores, in the time that they are kept
SOONEST_SWEEP_S = 1.0

KAFKA_WAIT_S = 180.0
CHECK_S = 90.0
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 8.0

Pages: TypeAlias = Callable[[App, Reader, WorkerStatus], None]


async def serve(
    topology: Topology, membership: Membership, pages: Pages, *, interval_s: float, start: Start | None
) -> None:
    """Run one replica until SIGTERM or SIGINT, then commit what is done; raises what it cannot go on with."""
    share_arenas()
    await _kafka_is_ready(topology, membership)
    told = _told_to_stop()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    clients = Clients(membership.bootstrap, topology.group)
    stores = Stores(membership.directory, StateMemory(membership.state_memory_mb), membership.state_keep_s)
    worker = Worker(topology, clients, stores, interval_s, start)
    app = faust_app(topology, worker, membership)
    reader = Reader(worker.owned.get, worker.ends, app.heartbeats.is_member)
    pages(app, reader, WorkerStatus(membership.name, worker, app.heartbeats.is_member))
    app.finalize()
    await asyncio.to_thread(worker.standbys.look)
    # a start ends when the group has taken the worker: what it says meanwhile, and a signal, are heard all the same
    running = asyncio.create_task(_run(app, worker))
    crashed = asyncio.create_task(private.crash_of(app))
    watched = asyncio.create_task(watch(app))
    turning = asyncio.create_task(Watchdog().run())
    sweeping = asyncio.create_task(_sweep(worker, stores.keep_s))
    try:
        await asyncio.wait({running, crashed, watched, told, worker.failed}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (worker.failed, running, crashed, watched):
            if ended.done():
                ended.result()
    finally:
        running.cancel()
        crashed.cancel()
        watched.cancel()
        turning.cancel()
        sweeping.cancel()
        await _stop(worker, app)
        log.info("worker.stopped", topology=topology.name, worker=membership.name)


async def _run(app: App, worker: Worker) -> None:
    """Join the group, and run its tasks until cancelled."""
    try:
        await app.start()
    except KafkaConnectionError as error:
        raise KafkaUnreachableError(f"{error}; start Kafka, then this worker again") from error
    collect_less()
    log.info("worker.started", topology=worker.topology.name, worker=app.membership.name, port=app.membership.port)
    await worker.run()


async def _sweep(worker: Worker, keep_s: float) -> None:
    """Now and then, as long as the worker runs."""
    while True:
        await asyncio.sleep(max(SOONEST_SWEEP_S, keep_s / SWEEPS))
        try:
            await asyncio.to_thread(worker.standbys.sweep)
        except OSError as error:
            log.warning("stores.not_swept", error=str(error))


async def _kafka_is_ready(topology: Topology, membership: Membership) -> None:
    """Waits for a Kafka that does not answer yet: after a power cut all start at once."""
    check = partial(topics.check, membership.bootstrap, topology.topics(), membership.partitions)
    until, pause_s = time.monotonic() + KAFKA_WAIT_S, FIRST_PAUSE_S
    while True:
        try:
            await limited(check, Limit(CHECK_S))
        except (KafkaUnreachableError, KafkaException, TimeoutError) as error:
            if time.monotonic() > until:
                raise KafkaUnreachableError(
                    f"Kafka at {membership.bootstrap} has not answered for {KAFKA_WAIT_S:.0f} s ({error}); "
                    "start it or mend ORDERFLOW_KAFKA, then start this worker again"
                ) from error
            log.warning("kafka.unreachable", kafka=membership.bootstrap, error=str(error), again_in_s=pause_s)
        else:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LAST_PAUSE_S)


def _told_to_stop() -> "asyncio.Future[None]":
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not told.done():
            told.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    return told


async def _stop(worker: Worker, app: App) -> None:
    """Within the limit, whatever happens: a thread of a client that is left would hold up the end of the process."""
    watch = threading.Timer(STOP_S, _cut_off)
    watch.daemon = True
    watch.start()  # and never cancelled: the end of the loop waits for its threads, too
    await worker.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await app.stop()
    await worker.close()


def _cut_off() -> None:
    log.error("worker.cut_off", after_s=STOP_S, reason="it could not end in order in time; the next owner goes on")
    os._exit(3)
