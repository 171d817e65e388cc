"""Commands that race for one order, and commands that are sent twice, at the running system."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import uuid4

from app.domain.events import ItemAdded, OrderCreated
from app.serde.topics import ORDERS_EVENTS
from tests.e2e.whole_system import ITEM, WholeSystem
from tests.waiting import until

RACING = 50

ResultT = TypeVar("ResultT")


def at_once(call: Callable[[], ResultT]) -> list[ResultT]:
    with ThreadPoolExecutor(RACING) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(RACING)]]


def test_of_fifty_racing_changes_of_one_version_one_is_made(faulty: WholeSystem) -> None:
    order_id = str(uuid4())
    faulty.plant(faulty.settings.provider, "unavailable", match={"order_id": order_id})  # so that it stays pending
    faulty.place(order_id)
    answers = at_once(lambda: faulty.post(f"/orders/{order_id}/items", ITEM, **{"If-Match": '"1"'}))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: RACING - 1}
    refused = [answer.json() for answer in answers if answer.status_code == 412]
    assert {(body["expected"], body["actual"], body["code"]) for body in refused} == {(1, 2, "VERSION_CONFLICT")}
    faulty.mend(faulty.settings.provider)
    assert faulty.wait_for(order_id, "confirmed")["version"] == 3


def test_a_command_sent_twice_has_one_answer_and_one_event(system: WholeSystem) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = {"customer_id": "customer-e2e", "currency": "GBP", "items": [ITEM]}
    answers = at_once(lambda: system.post("/orders", body, **key))
    (seen,) = {(answer.status_code, answer.text, answer.headers["etag"]) for answer in answers}
    assert seen[0] == 201
    order_id = answers[0].json()["order_id"]
    system.wait_for(order_id, "confirmed")
    late = system.post("/orders", body, **key)
    assert (late.status_code, late.text, late.headers["etag"]) == seen
    until(lambda: len(system.events(ORDERS_EVENTS, order_id)) == 2, "both of its events are published")
    assert sum(isinstance(event, OrderCreated) for event in system.events(ORDERS_EVENTS, order_id)) == 1


def test_an_item_added_twice_under_one_key_is_added_once(faulty: WholeSystem) -> None:
    order_id, key = str(uuid4()), {"Idempotency-Key": str(uuid4())}
    faulty.plant(faulty.settings.provider, "unavailable", match={"order_id": order_id})
    faulty.place(order_id)
    answers = at_once(lambda: faulty.post(f"/orders/{order_id}/items", ITEM, **key))
    (seen,) = {(answer.status_code, answer.text) for answer in answers}
    assert seen[0] == 200
    faulty.mend(faulty.settings.provider)
    faulty.wait_for(order_id, "confirmed")
    late = faulty.post(f"/orders/{order_id}/items", ITEM, **key)
    assert (late.status_code, late.text) == seen
    until(lambda: len(faulty.events(ORDERS_EVENTS, order_id)) == 3, "all of its events are published")
    assert sum(isinstance(event, ItemAdded) for event in faulty.events(ORDERS_EVENTS, order_id)) == 1
