"""What the command API refuses, and how it says so: one form for every failure."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from app.eventstore.port import StoreBusyError, StoreUnavailableError
from tests.contract.commanding import ITEM, ORDER, Store, placed, problem

pytestmark = pytest.mark.anyio


async def test_an_order_that_has_ended_takes_no_command(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    await api.post(f"/orders/{order_id}/cancel")
    problem(await api.post(f"/orders/{order_id}/cancel"), 409, "ORDER_ENDED")
    problem(await api.post(f"/orders/{order_id}/items", json=ITEM), 409, "ORDER_ENDED")


async def test_an_unknown_order_is_said_to_be_unknown(api: httpx.AsyncClient) -> None:
    address = f"/orders/{uuid4()}"
    problem(await api.get(address), 404, "ORDER_UNKNOWN")
    problem(await api.post(f"{address}/items", json=ITEM), 404, "ORDER_UNKNOWN")
    problem(await api.post(f"{address}/cancel", headers={"If-Match": '"1"'}), 404, "ORDER_UNKNOWN")


async def test_an_orchestrated_order_takes_no_more_items(api: httpx.AsyncClient) -> None:
    placed = (await api.post("/orders", json=ORDER | {"fulfilment": "orchestration"})).json()
    assert placed["fulfilment"] == "orchestration"
    problem(await api.post(f"/orders/{placed['order_id']}/items", json=ITEM), 409, "ORDER_ORCHESTRATED")


async def test_an_order_over_the_limit_of_its_total_is_refused(api: httpx.AsyncClient) -> None:
    items = [{"sku": "gold", "quantity": 1_000_000, "unit_price_minor": 10**12}]
    problem(await api.post("/orders", json=ORDER | {"items": items}), 422, "ORDER_INVALID")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": "a/b"}, "customer_id"),
        ({"customer_id": ".."}, "customer_id"),
        ({"customer_id": "a\u0000b"}, "customer_id"),
        ({"customer_id": "a\nb"}, "customer_id"),
        ({"customer_id": "x" * 65}, "customer_id"),
        ({"customer_id": 17850}, "customer_id"),
        ({"currency": "gbp"}, "currency"),
        ({"currency": "GBP\n"}, "currency"),
        ({"reference": "r" * 65}, "reference"),
        ({"items": []}, "items"),
        ({"items": [ITEM] * 1001}, "items"),
        ({"items": [ITEM | {"quantity": 0}]}, "items.0.quantity"),
        ({"items": [ITEM | {"quantity": 1_000_001}]}, "items.0.quantity"),
        ({"items": [ITEM | {"quantity": 1.5}]}, "items.0.quantity"),
        ({"items": [ITEM | {"quantity": "6"}]}, "items.0.quantity"),
        ({"items": [ITEM | {"quantity": True}]}, "items.0.quantity"),
        ({"items": [ITEM | {"unit_price_minor": -1}]}, "items.0.unit_price_minor"),
        ({"items": [ITEM | {"unit_price_minor": 10**30}]}, "items.0.unit_price_minor"),
        ({"items": [ITEM | {"discount": 5}]}, "items.0.discount"),
        ({"fulfilment": "magic"}, "fulfilment"),
        ({"placed_at": 1317914400}, "placed_at"),
        ({"placed_at": "2011-10-06T15:20:00"}, "placed_at"),
        ({"placed_at": "2011-13-06T15:20:00Z"}, "placed_at"),
        ({"order_id": "536365"}, "order_id"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_field_beyond_its_limits_is_named(api: httpx.AsyncClient, change: dict[str, object], at: str) -> None:
    body = problem(await api.post("/orders", json=ORDER | change), 422, "REQUEST_INVALID")
    assert at in [mistake["at"] for mistake in body["errors"]]


@pytest.mark.parametrize("moment", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_out_of_all_proportion_is_refused(api: httpx.AsyncClient, moment: str) -> None:
    problem(await api.post("/orders", json=ORDER | {"placed_at": moment}), 422, "ORDER_INVALID")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"customer_id": "a/b"}, "customer_id: takes printable characters without slashes, not only dots"),
        ({"reference": "a\nb"}, "reference: takes printable characters, without line ends"),
        ({"currency": "gbp"}, "currency: takes three capital letters, like GBP"),
        (
            {"placed_at": "2011-10-06T15:20:00+24:00"},
            "placed_at: takes a moment of RFC 3339 with its offset, like 2011-10-06T15:20:00Z",
        ),
    ],
)
async def test_what_a_field_takes_is_told_in_words(
    api: httpx.AsyncClient, change: dict[str, object], words: str
) -> None:
    assert problem(await api.post("/orders", json=ORDER | change), 422, "REQUEST_INVALID")["detail"] == words


async def posted(api: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await api.post("/orders", content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"[" * 200_000, b"9" * 10_000])
async def test_a_body_that_is_no_json_cannot_be_read(api: httpx.AsyncClient, body: bytes) -> None:
    refused = problem(await posted(api, body), 400, "REQUEST_UNREADABLE")
    assert refused["detail"].startswith("the body is no JSON")


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"customer_id": "\\ud800"}', b"NaN"])
async def test_a_body_that_is_no_order_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    problem(await posted(api, body), 422, "REQUEST_INVALID")


async def test_a_body_without_end_is_refused_at_the_limit(api: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    answer = await api.post("/orders", content=endless(), headers={"content-type": "application/json"})
    problem(answer, 413, "BODY_TOO_LARGE")
    assert sent <= 1_200_000


async def test_what_is_no_route_is_a_problem_too(api: httpx.AsyncClient) -> None:
    problem(await api.get("/order"), 404, "NOT_FOUND")
    answer = await api.delete("/orders")
    problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"
    problem(await api.get("/orders/not-a-uuid"), 422, "REQUEST_INVALID")


async def test_a_view_of_what_can_never_be_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.get("/views/sales/2026-13-45?currency=GBP")
    assert problem(answer, 422, "REQUEST_INVALID")["errors"][0]["at"] == "day"


async def test_while_the_store_is_away_clients_are_told_when_to_come_back(api: httpx.AsyncClient, store: Store) -> None:
    order_id = await placed(api)
    store.failure = StoreUnavailableError("PostgreSQL gave no answer")
    for answer in (await api.get(f"/orders/{order_id}"), await api.get("/readyz")):
        problem(answer, 503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
    assert (await api.get("/livez")).status_code == 200


async def test_a_command_that_the_store_has_no_room_for_may_come_again(api: httpx.AsyncClient, store: Store) -> None:
    order_id = await placed(api)
    store.failure = StoreBusyError("10000 commands wait already; send this one again after a moment")
    answer = await api.post(f"/orders/{order_id}/items", json=ITEM)
    problem(answer, 429, "BUSY")
    assert answer.headers["retry-after"] == "1"


async def test_an_unforeseen_failure_is_a_problem_and_tells_nothing(api: httpx.AsyncClient, store: Store) -> None:
    store.failure = ValueError("secret")
    answer = await api.get(f"/orders/{uuid4()}")
    assert "secret" not in answer.text
    problem(answer, 500, "INTERNAL")
