"""Two API processes over one PostgreSQL: their races have one winner, and a key one effect, whichever is asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from itertools import islice
from uuid import uuid4

import httpx
import psycopg
import pytest

from app.eventstore import group_commit, postgres
from app.eventstore.postgres import PostgresEventStore
from app.people.people import People
from app.people.postgres import PostgresPersonKeys
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.web import people
from app.web.api import create_app
from app.web.gateway import Gateway, new_client
from app.web.owners import Owners
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

ITEM = {"sku": "85123A", "quantity": 6, "unit_price_minor": 255}
ORDER = {"customer_id": "17850", "currency": "GBP", "reference": "536365", "items": [ITEM]}
RACERS = 50


class NoOwners:
    async def owners(self, not_those: Owners | None = None) -> Owners:
        return Owners()


async def opened(stack: AsyncExitStack, dsn: str) -> httpx.AsyncClient:
    store = await stack.enter_async_context(PostgresEventStore(dsn, event_codec(committed_registry(), ORDERS_EVENTS)))
    gateway = Gateway(NoOwners(), 4, await stack.enter_async_context(new_client()))
    keys = PostgresPersonKeys(dsn)
    stack.push_async_callback(keys.close)
    app = create_app(store, gateway, People(keys), lambda: 1_317_914_400_000_000)
    people.serve(app, keys)
    transport = httpx.ASGITransport(app)
    return await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://api"))


@pytest.fixture
async def apis(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[httpx.AsyncClient]]:
    """They have time enough, also where a hundred processes share the machine."""
    monkeypatch.setattr(postgres, "LIMIT_SECONDS", PATIENCE_S)
    async with AsyncExitStack() as stack:
        yield [await opened(stack, database) for _ in range(2)]


def stored(dsn: str) -> list[tuple[str, int]]:
    """Order and version of each stored event; the outbox holds the same."""
    with psycopg.connect(dsn) as connection:
        events = connection.execute("select order_id::text, version from events order by 1, 2").fetchall()
        (published,) = connection.execute("select count(*) from outbox").fetchall()
    assert published == (len(events),)
    return [(str(order_id), int(version)) for order_id, version in events]


async def race(
    apis: list[httpx.AsyncClient], path: str, body: Mapping[str, object], headers: dict[str, str] | None = None
) -> list[httpx.Response]:
    return await asyncio.gather(
        *(apis[racer % len(apis)].post(path, json=body, headers=headers or {}) for racer in range(RACERS))
    )


async def placed(apis: list[httpx.AsyncClient]) -> str:
    return str((await apis[0].post("/orders", json=ORDER)).json()["order_id"])


async def test_of_racing_items_with_one_if_match_one_is_taken(apis: list[httpx.AsyncClient], database: str) -> None:
    order_id = await placed(apis)
    answers = await race(apis, f"/orders/{order_id}/items", ITEM, {"If-Match": '"1"'})
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * (RACERS - 1)
    lost = [answer.json() for answer in answers if answer.status_code == 412]
    assert {(problem["expected"], problem["actual"]) for problem in lost} == {(1, 2)}
    assert stored(database) == [(order_id, 1), (order_id, 2)]


async def test_racing_items_without_if_match_are_all_taken(database: str, apis: list[httpx.AsyncClient]) -> None:
    order_id = await placed(apis)
    answers = await race(apis[:1], f"/orders/{order_id}/items", ITEM)
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, RACERS + 2))
    assert len(stored(database)) == RACERS + 1


async def test_racing_orders_with_one_key_are_one_order_and_one_answer(
    apis: list[httpx.AsyncClient], database: str
) -> None:
    answers = await race(apis, "/orders", ORDER, {"Idempotency-Key": "invoice-536365"})
    assert {(answer.status_code, answer.content, answer.headers["etag"]) for answer in answers} == {
        (201, answers[0].content, '"1"')
    }
    assert stored(database) == [(answers[0].json()["order_id"], 1)]


async def test_racing_items_with_one_key_are_one_item_and_one_answer(
    apis: list[httpx.AsyncClient], database: str
) -> None:
    order_id = await placed(apis)
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"1"'}
    answers = await race(apis, f"/orders/{order_id}/items", ITEM, headers)
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert stored(database) == [(order_id, 1), (order_id, 2)]


async def test_a_key_with_another_payload_is_refused_and_changes_nothing(
    apis: list[httpx.AsyncClient], database: str
) -> None:
    one, other = apis
    key = {"Idempotency-Key": "invoice-536365"}
    await one.post("/orders", json=ORDER, headers=key)
    before = stored(database)
    answer = await other.post("/orders", json=ORDER | {"reference": "536366"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "KEY_REUSED")
    assert stored(database) == before


async def test_what_one_process_wrote_the_other_reads(apis: list[httpx.AsyncClient]) -> None:
    one, other = apis
    order_id = await placed(apis)
    cancelled = await one.post(f"/orders/{order_id}/cancel", json={"reason": "zu spät ☕"})
    read = await other.get(f"/orders/{order_id}")
    assert (read.content, read.headers["etag"]) == (cancelled.content, '"2"')


async def test_what_comes_beyond_a_full_queue_is_told_to_come_again_and_the_others_are_taken(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 5)
    async with AsyncExitStack() as stack:
        api = await opened(stack, database)
        with psycopg.connect(database) as holder:
            holder.execute("lock table events in access exclusive mode")
            commands = [asyncio.create_task(api.post("/orders", json=ORDER)) for _ in range(8)]
            turned_away = [await done for done in islice(asyncio.as_completed(commands), 3)]
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in turned_away} == {(429, "1")}
        answers = await asyncio.gather(*commands)
    assert [answer.status_code for answer in answers].count(201) == 5
    assert len(stored(database)) == 5


async def test_without_a_database_the_api_is_alive_and_not_ready() -> None:
    async with AsyncExitStack() as stack:
        api = await opened(stack, "postgresql://nobody@127.0.0.1:1/nothing")
        assert (await api.get("/livez")).status_code == 200
        for answer in (await api.get("/readyz"), await api.post("/orders", json=ORDER)):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "127.0.0.1" not in answer.text
