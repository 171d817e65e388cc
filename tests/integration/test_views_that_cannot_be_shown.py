"""A view that will not come, however often it is asked for, is told as such: from the rows of a worker to the API."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.config import Settings
from app.domain.service import ServiceRow
from app.eventstore.memory import MemoryEventStore
from app.people.people import People
from app.projections import customer_orders
from app.projections.order_summaries import OrderSummary
from app.serde.lock import committed_registry
from app.streaming import reader
from app.streaming.reader import Reader
from app.streaming.store import Store
from app.streaming.table import TableSpec, TaskTable, row_key
from app.streaming.task import Task
from app.streaming.volatile import MemoryStore
from app.web.api import create_app
from app.web.gateway import Gateway
from tests.contract.commanding import problem
from tests.contract.person_keys import MemoryPersonKeys
from tests.integration.served_worker import gateway_to
from tests.unit.order_events import NOW
from topologies import order_views

pytestmark = pytest.mark.anyio

MOST = 3
PAYMENTS = TableSpec("payments", ServiceRow)
ORDER_ID = str(uuid4())
ORDERS = "/views/customers/17850/orders"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def gateway(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """To a worker of `order-views`, and of a table of `payments`, with these rows."""
    monkeypatch.setattr(reader, "SCAN_LIMIT", MOST)
    task = Task(order_views.build(Settings(), committed_registry()), 0, lambda: NOW)
    task.state.tables[PAYMENTS.name] = TaskTable(PAYMENTS, "changelog")
    task.status = "active"
    owned = SimpleNamespace(task=task, store=cast("Store", store))
    rows = Reader({0: owned}.get, lambda _: {}, lambda: True)
    async with gateway_to(rows, task.state.tables) as gateway:
        yield gateway


@pytest.fixture
async def api(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(MemoryEventStore(), gateway, People(MemoryPersonKeys()), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http:
        yield http


def put(store: MemoryStore, spec: TableSpec[Any], key: tuple[str, ...], data: bytes) -> None:
    store.write({spec.prefix + row_key(key): data})


def place(store: MemoryStore, number: int) -> None:
    row = customer_orders.Row("17850", f"order-{number}", "R-1", "pending", "GBP", 300, NOW)
    put(store, order_views.CUSTOMERS, customer_orders.key(row), order_views.CUSTOMERS.encode(row))


async def test_a_customer_with_too_many_orders_is_told_so(api: httpx.AsyncClient, store: MemoryStore) -> None:
    for number in range(MOST):
        place(store, number)
    assert len((await api.get(ORDERS)).json()["orders"]) == MOST
    place(store, MOST)
    answer = await api.get(ORDERS)
    detail = problem(answer, 422, "TOO_MANY_ROWS")["detail"]
    assert f"more than {MOST} rows under 17850" in detail
    assert "/views/orders/{order_id}" in detail
    assert "retry-after" not in answer.headers


async def test_a_row_that_cannot_be_decoded_is_told_as_such(api: httpx.AsyncClient, store: MemoryStore) -> None:
    put(store, order_views.SUMMARIES, (ORDER_ID,), b"\xc1")
    put(store, order_views.CUSTOMERS, ("17850", "order-1"), msgspec.msgpack.encode(["17850", 1]))
    for path in (f"/views/orders/{ORDER_ID}", ORDERS):
        answer = await api.get(path)
        assert "`orderflow topology reset`" in problem(answer, 500, "STORE_EXCEPTION")["detail"]


async def test_a_row_whose_lines_cannot_be_decoded_is_one_of_these(api: httpx.AsyncClient, store: MemoryStore) -> None:
    row = OrderSummary(order_id=ORDER_ID, version=1, placed_at=NOW, lines=b"no JSON")
    put(store, order_views.SUMMARIES, (ORDER_ID,), order_views.SUMMARIES.encode(row))
    problem(await api.get(f"/views/orders/{ORDER_ID}"), 500, "STORE_EXCEPTION")


async def test_a_list_with_a_row_that_cannot_be_decoded_is_one_of_these(gateway: Gateway, store: MemoryStore) -> None:
    put(store, PAYMENTS, (ORDER_ID,), b"\xc1")
    answer = await gateway.ask(0, "/not-undone/0", "not-undone")
    assert (answer.status_code, msgspec.json.decode(answer.body)["code"]) == (500, "STORE_EXCEPTION")
