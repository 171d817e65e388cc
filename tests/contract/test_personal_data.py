"""Name and address at the command API: readable for whoever asks it, and sealed in all that it stores."""

import httpx
import msgspec
import pytest

from app.domain.events import OrderCreated
from app.web.models import OrderBody
from tests.contract.commanding import ITEM, ORDER, Store, problem
from tests.contract.person_keys import MemoryPersonKeys

pytestmark = pytest.mark.anyio

NAME, ADDRESS = "Annabel Quillfeather", "7 Larkspur Mews, Ludlow"
WORDS = ("Annabel", "Quillfeather", "Larkspur", "Mews", "Ludlow")
GIVEN = {"customer_name": NAME, "delivery_address": ADDRESS}
READABLE = {"personal_data": "readable", **GIVEN}
ERASED = {"personal_data": "erased", "customer_name": "", "delivery_address": ""}
KEY = {"Idempotency-Key": "invoice-1"}


def personal(answer: httpx.Response) -> dict[str, str]:
    assert answer.is_success, answer.text
    OrderBody.model_validate_json(answer.content)
    return {name: answer.json()[name] for name in READABLE}


async def test_what_was_given_is_shown_by_every_answer_about_the_order(api: httpx.AsyncClient) -> None:
    created = await api.post("/orders", json=ORDER | GIVEN)
    address = created.headers["location"]
    assert personal(created) == READABLE
    assert personal(await api.post(f"{address}/items", json=ITEM)) == READABLE
    assert personal(await api.post(f"{address}/cancel")) == READABLE
    assert personal(await api.get(address)) == READABLE


@pytest.mark.parametrize("given", [{"customer_name": NAME}, {"delivery_address": ADDRESS}])
async def test_either_may_be_given_alone(api: httpx.AsyncClient, given: dict[str, str]) -> None:
    nothing = {"customer_name": "", "delivery_address": ""}
    assert personal(await api.post("/orders", json=ORDER | given)) == {"personal_data": "readable", **nothing, **given}


async def test_the_store_has_them_sealed_and_each_order_in_its_own_way(api: httpx.AsyncClient, store: Store) -> None:
    for _ in range(2):
        await api.post("/orders", json=ORDER | GIVEN)
    first, second = (event for event in store.outbox if isinstance(event, OrderCreated))
    for event in (first, second):
        written = msgspec.json.encode(event).decode()
        assert not [word for word in WORDS if word in written]
        assert event.customer_name
        assert event.delivery_address
    assert first.customer_name != second.customer_name


async def test_without_its_key_nothing_of_an_order_can_be_read_and_all_else_goes_on(
    api: httpx.AsyncClient, person_keys: MemoryPersonKeys
) -> None:
    address = (await api.post("/orders", json=ORDER | GIVEN)).headers["location"]
    person_keys.by_customer.clear()
    assert personal(await api.get(address)) == ERASED
    assert personal(await api.post(f"{address}/items", json=ITEM)) == ERASED


async def test_who_orders_again_after_an_erasure_is_readable_in_that_order_only(
    api: httpx.AsyncClient, person_keys: MemoryPersonKeys
) -> None:
    before = (await api.post("/orders", json=ORDER | GIVEN)).headers["location"]
    person_keys.by_customer.clear()
    after = (await api.post("/orders", json=ORDER | GIVEN)).headers["location"]
    assert personal(await api.get(before)) == ERASED
    assert personal(await api.get(after)) == READABLE


async def test_no_key_is_made_for_who_gives_nothing(api: httpx.AsyncClient, person_keys: MemoryPersonKeys) -> None:
    await api.post("/orders", json=ORDER)
    assert person_keys.by_customer == {}


async def test_a_repeated_order_is_one_order_and_one_with_another_address_is_refused(
    api: httpx.AsyncClient, store: Store
) -> None:
    first = await api.post("/orders", json=ORDER | GIVEN, headers=KEY)
    again = await api.post("/orders", json=ORDER | GIVEN, headers=KEY)
    assert again.content == first.content
    other = ORDER | GIVEN | {"delivery_address": "8 Larkspur Mews"}
    refused = await api.post("/orders", json=other, headers=KEY)
    problem(refused, 422, "KEY_REUSED")
    assert "Larkspur" not in refused.text
    assert len(store.outbox) == 1


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"customer_name": "Quillfeather" * 9}, "customer_name"),
        ({"customer_name": "Quill\nfeather"}, "customer_name"),
        ({"delivery_address": "Larkspur" * 40}, "delivery_address"),
        ({"delivery_address": ["Larkspur"]}, "delivery_address"),
        ({"items": []}, "items"),
    ],
)
async def test_a_refusal_repeats_nothing_of_them(api: httpx.AsyncClient, change: dict[str, object], at: str) -> None:
    answer = await api.post("/orders", json=ORDER | GIVEN | change)
    assert problem(answer, 422, "REQUEST_INVALID")["errors"][0]["at"] == at
    assert "Quill" not in answer.text
    assert "Larkspur" not in answer.text
