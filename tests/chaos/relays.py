"""Relays in processes of their own, orders appended meanwhile, and what of them the topic holds in the end."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

from app.config import Settings
from app.domain.events import Event
from app.embedded.ports import free_ports
from app.errors import TransientError
from app.eventstore.port import EventStore
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.topology import TopicSpec
from tests.commands import Serving
from tests.contract.order_streams import history
from tests.integration.published_topic import Published
from tests.waiting import PATIENCE_S

CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
PARTITIONS = 4
OWNED = re.compile(r'^orderflow_relay_events_total\{shard="(\d+)"', re.MULTILINE)
PACE_S = 0.1  # between two events of an order: it leaves the machine to the relays


class RelayProcess(Serving):
    """`orderflow relay`."""

    def shards_owned(self) -> set[int]:
        """Those whose owner it is or was."""
        answer = self.ask("/metrics")
        return set() if answer is None else {int(shard) for shard in OWNED.findall(answer.text)}

    def troubles(self) -> str:
        """What it says that keeps it from publishing."""
        answer = self.ask("/readyz")
        return "" if answer is None or answer.is_success else answer.text


def owner_of_most(relays: Iterable[RelayProcess]) -> RelayProcess:
    return max(relays, key=lambda relay: len(relay.shards_owned()))


@contextmanager
def relays(count: int, kafka: str, postgres: str, directory: Path) -> Iterator[list[RelayProcess]]:
    """That many relays, started, and ended in the end."""
    settings = [Settings(kafka=kafka, postgres=postgres, port=port) for port in free_ports(*[0] * count)]
    made = [RelayProcess("relay", settings=s, log=directory / f"relay-{s.port}.log") for s in settings]
    with started(*made):
        yield made


@contextmanager
def started(*processes: Serving) -> Iterator[None]:
    """They are killed in the end."""
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.close()


def create_topic(kafka: str) -> None:
    """That of orders, unless it is there."""
    topics.apply(kafka, [TopicSpec(ORDERS_EVENTS, "events")], PARTITIONS, 1)


@asynccontextmanager
async def appending(store: EventStore, orders: int) -> AsyncIterator[list[str]]:
    """Appends one event after another to each of some orders while it is entered; the ids of the appended events."""
    appended: list[str] = []
    stop = asyncio.Event()
    writers = [asyncio.create_task(_append(store, str(uuid4()), appended, stop)) for _ in range(orders)]
    try:
        yield appended
    finally:
        stop.set()
        await asyncio.gather(*writers)


async def _append(store: EventStore, order_id: str, appended: list[str], stop: asyncio.Event) -> None:
    version = 0
    while not stop.is_set():
        version += 1
        (event,) = history(order_id, version, version)
        await _append_surely(store, event)
        appended.append(event.event_id)
        await asyncio.sleep(PACE_S)


async def _append_surely(store: EventStore, event: Event) -> None:
    command_id = uuid4()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await store.append(event.order_id, event.version - 1, [event], command_id=command_id)
            except TransientError:
                await asyncio.sleep(0.05)
            else:
                return


def check_published(records: list[Published], appended: list[str]) -> None:
    """Every appended event once, and the events of each order in order."""
    events = [CODEC.decode(record.value) for record in records]
    doubled = {event_id: count for event_id, count in Counter(event.event_id for event in events).items() if count > 1}
    assert doubled == {}
    assert {event.event_id for event in events} == set(appended)
    versions: dict[str, list[int]] = {}
    for event in events:
        versions.setdefault(event.order_id, []).append(event.version)
    assert {order: seen for order, seen in versions.items() if seen != sorted(seen)} == {}
