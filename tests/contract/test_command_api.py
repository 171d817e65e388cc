"""The command API as a client sees it: answers, conditions, repetition, and what tools read."""

import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from app.web.models import OrderBody
from app.web.problem import MEDIA_TYPE
from tests.contract.commanding import ITEM, ORDER, Store, placed, problem

pytestmark = pytest.mark.anyio


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
        "personal_data": "none",
        "customer_name": "",
        "delivery_address": "",
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
    assert second.headers.pop("idempotency-replayed") == "true"
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


# --- what tools read


async def test_ready_and_alive_and_measured(api: httpx.AsyncClient) -> None:
    await placed(api)
    assert (await api.get("/readyz")).json() == {"status": "ready"}
    assert (await api.get("/livez")).json() == {"status": "alive"}
    assert [(await api.head(page)).status_code for page in ("/livez", "/readyz")] == [200, 200]
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
    headers = set(create["responses"]["201"]["headers"])
    assert headers == {"Location", "ETag", "X-Consistency-Token", "Idempotency-Replayed"}
    assert [parameter["name"] for parameter in create["parameters"]] == ["Idempotency-Key"]
