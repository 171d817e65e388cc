"""`/sagas` shows the orders that are overdue, as the worker that decides them tells, and the store knows better."""

from collections.abc import AsyncIterator, Callable
from typing import cast
from uuid import uuid4

import httpx
import pytest

from app.domain.events import Event, ItemAdded, OrderCancelled, OrderCreated
from app.domain.fulfilment import FulfilmentRow
from app.eventstore.memory import MemoryEventStore
from app.inbox.audit import Audit
from app.inbox.history import History
from app.inbox.sending import Sender
from app.people.people import People
from app.serde.lock import committed_registry
from app.streaming.reader import Reader
from app.web import sagas
from app.web.api import create_app
from app.web.saga_desk import SagaDesk
from tests.contract.person_keys import MemoryPersonKeys
from tests.integration.served_worker import gateway_to
from tests.unit.order_events import NOW, event

pytestmark = pytest.mark.anyio

TABLES = {"sagas", "payments", "fulfilments"}
NOWHERE = "127.0.0.1:1"
LATE = FulfilmentRow(orders=1, newest=1, choreographed=True, overdue=True)


class Rows:
    """The rows of `fulfilments`; the other tables are empty."""

    def __init__(self) -> None:
        self.fulfilments: dict[str, FulfilmentRow] = {}

    async def select(
        self, table: str, partition: int, keep: Callable[[FulfilmentRow], bool], most: int
    ) -> list[tuple[bytes, FulfilmentRow]]:
        rows = self.fulfilments if table == "fulfilments" else {}
        return [(order_id.encode(), row) for order_id, row in rows.items() if keep(row)]


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def store() -> MemoryEventStore:
    return MemoryEventStore()


@pytest.fixture
async def api(rows: Rows, store: MemoryEventStore) -> AsyncIterator[httpx.AsyncClient]:
    registry = committed_registry()
    async with gateway_to(cast("Reader", rows), TABLES) as gateway:
        history, audit, sender = History(NOWHERE, registry), Audit("host=/nowhere"), Sender(NOWHERE, registry)
        app = create_app(store, gateway, People(MemoryPersonKeys()), lambda: NOW)
        desk = SagaDesk(
            store, gateway, [gateway], gateway, history, audit, sender, deadline_us=1_000_000, now=lambda: NOW
        )
        sagas.serve(app, desk)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http:
            yield http


async def append(store: MemoryEventStore, order_id: str, *events: Event) -> None:
    for one in events:
        await store.append(order_id, one.version - 1, [one], command_id=uuid4())


async def test_an_overdue_order_is_listed_with_the_event_that_it_waits_for(
    api: httpx.AsyncClient, rows: Rows, store: MemoryEventStore
) -> None:
    order_id = str(uuid4())
    await append(store, order_id, event(OrderCreated, 1, order_id=order_id))
    rows.fulfilments = {order_id: LATE, str(uuid4()): FulfilmentRow(orders=1, newest=1, choreographed=True)}
    for query in ("", "?state=OVERDUE"):
        [found] = (await api.get(f"/sagas{query}")).json()["sagas"]
        assert (found["order_id"], found["saga"], found["state"]) == (order_id, "choreography", "RUNNING")
        assert found["waits_for"] == "PaymentCompleted"
    assert (await api.get("/sagas?state=RUNNING")).json() == {"sagas": []}


async def test_one_that_has_ended_meanwhile_is_not_overdue(
    api: httpx.AsyncClient, rows: Rows, store: MemoryEventStore
) -> None:
    order_id = str(uuid4())
    ended = (event(OrderCreated, 1, order_id=order_id), event(OrderCancelled, 2, order_id=order_id))
    await append(store, order_id, *ended)
    rows.fulfilments = {order_id: LATE}
    assert (await api.get("/sagas")).json() == {"sagas": []}


async def test_the_oldest_is_listed_first(api: httpx.AsyncClient, rows: Rows, store: MemoryEventStore) -> None:
    young, old = str(uuid4()), str(uuid4())
    for order_id, at in ((young, NOW + 5), (old, NOW)):
        created = event(OrderCreated, 1, order_id=order_id, occurred_at=at)
        await append(store, order_id, created, event(ItemAdded, 2, order_id=order_id))
    rows.fulfilments = {young: LATE, old: LATE}
    assert [one["order_id"] for one in (await api.get("/sagas")).json()["sagas"]] == [old, young]
