"""The command API as a client sees it: conditions, repetition, limits, and one form for every failure."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.domain.events import Event
from app.eventstore.memory import MemoryEventStore
from app.eventstore.port import StoreUnavailableError
from app.web.api import create_app
from app.web.gateway import Gateway, new_client
from app.web.models import OrderBody, ProblemBody
from app.web.owners import Owners
from app.web.problem import MEDIA_TYPE

pytestmark = pytest.mark.anyio

NOW = 1_317_914_400_000_000  # 2011-10-06T15:20:00Z
ITEM = {"sku": "85123A", "quantity": 6, "unit_price_minor": 255}
ORDER = {"customer_id": "17850", "currency": "GBP", "reference": "536365", "items": [ITEM]}


class NoOwners:
    async def owners(self, not_those: Owners | None = None) -> Owners:
        return Owners()


class Store(MemoryEventStore):
    """Fails with `failure` when there is one."""

    failure: Exception | None = None

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        if self.failure is not None:
            raise self.failure
        return await super().read(order_id, from_version)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def api(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as workers:
        app = create_app(store, Gateway(NoOwners(), 4, workers), lambda: NOW)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


async def placed(api: httpx.AsyncClient) -> str:
    answer = await api.post("/orders", json=ORDER)
    assert answer.status_code == 201
    return str(answer.json()["order_id"])


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.status_code == status
    body: dict[str, Any] = answer.json()
    ProblemBody.model_validate(body)
    assert (body["status"], body["code"]) == (status, code)
    return body


async def test_a_placed_order_is_answered_with_its_address_version_and_token(api: httpx.AsyncClient) -> None:
    answer = await api.post("/orders", json=ORDER)
    order_id = answer.json()["order_id"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/orders/{order_id}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["x-consistency-token"] == f"{order_id}:1"


async def test_an_order_is_read_from_its_events(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    await api.post(f"/orders/{order_id}/items", json=ITEM | {"quantity": 1})
    answer = await api.get(f"/orders/{order_id}")
    assert answer.headers["etag"] == '"2"'
    assert answer.json() == {
        "order_id": order_id,
        "version": 2,
        "status": "pending",
        "customer_id": "17850",
        "currency": "GBP",
        "reference": "536365",
        "fulfilment": "choreography",
        "items": [ITEM, ITEM | {"quantity": 1}],
        "total_minor": 7 * 255,
        "placed_at": "2011-10-06T15:20:00Z",
        "reason": "",
    }
    OrderBody.model_validate_json(answer.content)


async def test_an_address_given_as_location_is_where_the_order_is(api: httpx.AsyncClient) -> None:
    created = await api.post("/orders", json=ORDER)
    read = await api.get(created.headers["location"])
    assert read.content == created.content


async def test_a_cancelled_order_says_why(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    answer = await api.post(f"/orders/{order_id}/cancel", json={"reason": "found it cheaper"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reason"]) == ("cancelled", "found it cheaper")
    assert answer.headers["x-consistency-token"] == f"{order_id}:2"


async def test_a_cancel_needs_no_body(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    assert (await api.post(f"/orders/{order_id}/cancel")).json()["reason"] == "customer"


async def test_the_client_may_choose_the_order_id(api: httpx.AsyncClient) -> None:
    order_id = str(uuid4())
    answer = await api.post("/orders", json=ORDER | {"order_id": order_id.upper()})
    assert answer.json()["order_id"] == order_id
    problem(await api.post("/orders", json=ORDER | {"order_id": order_id}), 409, "ORDER_EXISTS")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2011-10-06T16:20:00+01:00", "2011-10-06T15:20:00Z"),
        ("2011-10-06t15:20:00.250z", "2011-10-06T15:20:00.250000Z"),
    ],
)
async def test_a_moment_is_shown_in_utc(api: httpx.AsyncClient, given: str, shown: str) -> None:
    answer = await api.post("/orders", json=ORDER | {"placed_at": given})
    assert answer.json()["placed_at"] == shown


# --- expected versions


async def test_a_stale_if_match_names_both_versions(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    first = await api.post(f"/orders/{order_id}/items", json=ITEM, headers={"If-Match": '"1"'})
    assert first.headers["etag"] == '"2"'
    body = problem(
        await api.post(f"/orders/{order_id}/items", json=ITEM, headers={"If-Match": '"1"'}), 412, "VERSION_CONFLICT"
    )
    assert (body["expected"], body["actual"]) == (1, 2)


async def test_of_racing_items_with_one_if_match_one_is_taken(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    racers = (api.post(f"/orders/{order_id}/items", json=ITEM, headers={"If-Match": '"1"'}) for _ in range(50))
    answers = await asyncio.gather(*racers)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 49


@pytest.mark.parametrize("header", ['W/"1"', '"one"', '"1", "2"', "", '"-1"', '"99999999999"'])
async def test_an_if_match_that_is_no_version_is_refused(api: httpx.AsyncClient, header: str) -> None:
    order_id = await placed(api)
    answer = await api.post(f"/orders/{order_id}/items", json=ITEM, headers={"If-Match": header})
    problem(answer, 400, "REQUEST_UNREADABLE")


async def test_any_version_will_do_for_a_star(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    assert (await api.post(f"/orders/{order_id}/cancel", headers={"If-Match": "*"})).status_code == 200


# --- repetition


async def test_the_same_key_twice_has_one_effect_and_one_answer(api: httpx.AsyncClient, store: Store) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first, second = [await api.post("/orders", json=ORDER, headers=key) for _ in range(2)]
    assert second.content == first.content
    assert (second.status_code, second.headers) == (first.status_code, first.headers)
    assert len(store.outbox) == 1


async def test_racing_requests_with_one_key_have_one_effect_and_one_answer(
    api: httpx.AsyncClient, store: Store
) -> None:
    order_id = await placed(api)
    key = {"Idempotency-Key": "add-the-tea"}
    racers = (api.post(f"/orders/{order_id}/items", json=ITEM, headers=key) for _ in range(20))
    answers = await asyncio.gather(*racers)
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert len(store.outbox) == 2


async def test_a_repeated_cancel_is_answered_as_the_first(api: httpx.AsyncClient) -> None:
    order_id = await placed(api)
    key = {"Idempotency-Key": "cancel-it", "If-Match": '"1"'}
    first, second = [await api.post(f"/orders/{order_id}/cancel", headers=key) for _ in range(2)]
    assert (first.status_code, first.content) == (200, second.content)


async def test_a_key_with_another_payload_is_refused(api: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "order-1"}
    await api.post("/orders", json=ORDER, headers=key)
    problem(await api.post("/orders", json=ORDER | {"reference": "other"}, headers=key), 422, "KEY_REUSED")


async def test_a_key_with_another_order_is_refused(api: httpx.AsyncClient) -> None:
    one, other = await placed(api), await placed(api)
    key = {"Idempotency-Key": "add"}
    await api.post(f"/orders/{one}/items", json=ITEM, headers=key)
    problem(await api.post(f"/orders/{other}/items", json=ITEM, headers=key), 422, "KEY_REUSED")


async def test_spaces_and_order_of_members_do_not_make_another_payload(api: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "order-1", "Content-Type": "application/json"}
    shuffled = json.dumps(dict(reversed(ORDER.items())), indent=4)
    first = await api.post("/orders", json=ORDER, headers=key)
    assert (await api.post("/orders", content=shuffled, headers=key)).content == first.content


@pytest.mark.parametrize("key", ["", "k" * 201, "tab\tinside", " "])
async def test_a_key_that_cannot_be_told_apart_is_refused(api: httpx.AsyncClient, key: str) -> None:
    problem(await api.post("/orders", json=ORDER, headers={"Idempotency-Key": key}), 400, "REQUEST_UNREADABLE")


# --- refusals


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


async def test_orchestration_is_not_offered(api: httpx.AsyncClient) -> None:
    body = problem(await api.post("/orders", json=ORDER | {"fulfilment": "orchestration"}), 422, "NOT_OFFERED")
    assert "choreography" in body["detail"]


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
    "body",
    [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"customer_id": "\\ud800"}', b"[" * 200_000, b"9" * 10_000, b"NaN"],
)
async def test_a_body_that_is_no_order_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/orders", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code, answer.json()["code"])


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


async def test_while_the_store_is_away_clients_are_told_when_to_come_back(api: httpx.AsyncClient, store: Store) -> None:
    order_id = await placed(api)
    store.failure = StoreUnavailableError("PostgreSQL gave no answer")
    for answer in (await api.get(f"/orders/{order_id}"), await api.get("/readyz")):
        problem(answer, 503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
    assert (await api.get("/livez")).status_code == 200


async def test_an_unforeseen_failure_is_a_problem_and_tells_nothing(api: httpx.AsyncClient, store: Store) -> None:
    store.failure = ValueError("secret")
    answer = await api.get(f"/orders/{uuid4()}")
    assert "secret" not in answer.text
    problem(answer, 500, "INTERNAL")


# --- what tools read


async def test_ready_and_alive_and_measured(api: httpx.AsyncClient) -> None:
    await placed(api)
    assert (await api.get("/readyz")).json() == {"status": "ready"}
    assert (await api.get("/livez")).json() == {"status": "alive"}
    text = (await api.get("/metrics")).text
    assert 'orderflow_http_requests_total{method="POST",route="/orders",status="201"}' in text
    assert 'orderflow_commands_total{command="CreateOrder",outcome="accepted"}' in text


async def test_the_api_describes_every_answer_it_gives(api: httpx.AsyncClient) -> None:
    page = (await api.get("/openapi.json")).json()
    problems = {"$ref": "#/components/schemas/ProblemBody"}
    assert "HTTPValidationError" not in page["components"]["schemas"]
    assert {"ProblemBody", "Mistake", "OrderBody", "NewOrder"} <= set(page["components"]["schemas"])
    for path, operations in page["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    assert response["content"] == {MEDIA_TYPE: {"schema": problems}}, path
    create = page["paths"]["/orders"]["post"]
    assert {"Location", "ETag", "X-Consistency-Token"} == set(create["responses"]["201"]["headers"])
    assert [parameter["name"] for parameter in create["parameters"]] == ["Idempotency-Key"]
