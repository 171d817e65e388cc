"""What a worker serves, over the web server that Faust runs: its rows at the gateway's addresses, and its health."""

from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import quote

import faust
import httpx
import pytest
from aiohttp.test_utils import TestServer

from app.projections import product_demand
from app.streaming.errors import NotActiveError
from app.streaming.reader import Reader, Standing
from app.web import worker_pages
from app.web.owners import Owner, Owners
from app.web.problem import MEDIA_TYPE
from app.web.views import partition_of
from tests.integration.served_worker import Status

pytestmark = pytest.mark.anyio

PARTITION = partition_of("85123A", 4)
OLD, OTHER = Owner("views-1", "http://127.0.0.1:8101"), Owner("views-2", "http://127.0.0.1:8102")
ROW = product_demand.Row(orders=1, ordered_quantity=6)


class Rows:
    """The rows of a worker that is active until it is told otherwise."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], product_demand.Row] = {}
        self.active = True

    def standing(self, partition: int) -> Standing:
        if not self.active:
            raise NotActiveError(f"partition {partition} is not active here")
        return Standing({"orders.events": 7}, 2)

    def get(self, table: str, partition: int, key: tuple[str, ...]) -> product_demand.Row | None:
        return self.rows.get((table, *key))


class Group:
    """Says at first what it knew, then what is."""

    def __init__(self, partition: int) -> None:
        self._known = [Owners({partition: OLD}), Owners({partition: OTHER})]

    async def owners(self, not_those: Owners | None = None) -> Owners:
        return self._known[0 if not_those is None else 1]


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
async def worker(rows: Rows, status: Status) -> AsyncIterator[httpx.AsyncClient]:
    app = faust.App("pages", broker="kafka://127.0.0.1:1")
    worker_pages.mount(
        app, "views-1", 4, cast("Reader", rows), status, {"product_demand", "daily_sales"}, Group(PARTITION)
    )
    app.finalize()
    async with (
        TestServer(await app.web.wsgi()) as server,
        httpx.AsyncClient(base_url=str(server.make_url("/"))) as http,
    ):
        yield http


@pytest.mark.parametrize("sku", ["85123A", "white heart", "50%", "%41", "a+b&c", "naïve ☕", "what?#"])
async def test_a_row_is_served_whatever_its_name(worker: httpx.AsyncClient, rows: Rows, sku: str) -> None:
    rows.rows["product_demand", sku] = ROW
    answer = await worker.get(f"/views/products/{quote(sku, safe='')}/demand")
    assert answer.json() == {
        "sku": sku,
        "orders": 1,
        "ordered_quantity": 6,
        "confirmed_quantity": 0,
        "cancelled_quantity": 0,
        "position": {"orders.events": 7},
        "lag": 2,
        "worker": "views-1",
    }


async def test_a_row_that_is_not_there_does_not_exist(worker: httpx.AsyncClient) -> None:
    answer = await worker.get("/views/products/nothing/demand")
    assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)
    assert answer.json()["code"] == "DOES_NOT_EXIST"


async def test_a_row_that_can_never_be_is_refused(worker: httpx.AsyncClient) -> None:
    answer = await worker.get("/views/sales/today?currency=GBP")
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert answer.json()["errors"][0]["at"] == "day"


async def test_a_worker_that_is_not_active_names_the_owner_and_when_to_ask_again(
    worker: httpx.AsyncClient, rows: Rows
) -> None:
    rows.active = False
    answer = await worker.get("/views/products/85123A/demand")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (answer.json()["code"], answer.json()["owner"]) == ("NOT_ACTIVE", OTHER.url)


@pytest.mark.parametrize("path", ["/views/orders/1", "/views/nothing", "/views/products/1"])
async def test_what_this_topology_has_no_table_for_is_not_found(worker: httpx.AsyncClient, path: str) -> None:
    answer = await worker.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_a_worker_is_ready_when_nothing_speaks_against_it(worker: httpx.AsyncClient, status: Status) -> None:
    assert (await worker.get("/readyz")).json() == {"status": "ready", "held": ["pages[0]: braking, calls fail"]}
    status.reason = "task 3 restores"
    answer = await worker.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "task 3 restores")
    assert (await worker.get("/livez")).status_code == 200


async def test_a_worker_shows_its_tasks_and_what_it_counted(worker: httpx.AsyncClient) -> None:
    assert (await worker.get("/tasks")).json() == {"0": {"lag": 2}}
    answer = await worker.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'orderflow_task_lag_records{group="orderflow-pages",partition="0"} 2.0' in answer.text
