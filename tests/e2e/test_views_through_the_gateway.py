"""From a command to every view, through the real relay, workers and gateway; and on when a worker is killed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.config import Settings
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from tests.commands import Serving, run
from tests.waiting import until

PLACED_AT = "2011-10-06T15:20:00Z"
SKUS = [f"tea no. {number}" for number in range(12)]


class Shop:
    """An API, a relay, and three workers of the views."""

    def __init__(self, settings: Settings, directory: Path, stack: ExitStack) -> None:
        assert run("topics", "apply", settings=settings).returncode == 0
        words = [("api",), ("relay",), *[("worker", "order-views")] * 3]
        ports = free_ports(*[0] * len(words))
        self.members: list[Serving] = []
        for number, (command, port) in enumerate(zip(words, ports, strict=True)):
            own = msgspec.structs.replace(settings, port=port, name=f"member-{number}", data=directory / str(number))
            member = Serving(*command, settings=own, log=directory / f"{number}.log")
            self.members.append(stack.enter_context(closing(member)))
            member.start()
        self.api, self.workers = self.members[0], self.members[2:]
        for member in self.members:
            member.wait_until_ready()

    def place(self, sku: str, currency: str = "GBP", customer: str = "ada") -> str:
        item = {"sku": sku, "quantity": 2, "unit_price_minor": 150}
        order = {"customer_id": customer, "currency": currency, "placed_at": PLACED_AT, "items": [item]}
        answer = self.api.http.post("/orders", json=order)
        assert answer.status_code == 201
        return str(answer.json()["order_id"])

    def eventually(self, path: str, holds: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The view's answer once it is there and `holds`; until then it may be missing or not active, nothing else."""

        def answered() -> dict[str, Any] | None:
            answer = self.api.http.get(path)
            body: dict[str, Any] = answer.json()
            assert answer.status_code == 200 or body["code"] in ("DOES_NOT_EXIST", "NOT_ACTIVE"), body
            return body if answer.status_code == 200 and holds(body) else None

        found = until(answered, path)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def shop(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests; the last of them kills a worker of it."""
    directory = tmp_path_factory.mktemp("shop")
    with ExitStack() as stack:
        kafka = KafkaServer(directory / "kafka")
        stack.callback(kafka.stop)
        kafka.start()
        settings = Settings(kafka=kafka.bootstrap, postgres=shared_database, session_timeout=6.0, log_level="warning")
        yield Shop(settings, directory, stack)


def test_a_worker_names_the_owner_of_the_rows_of_others(shop: Shop) -> None:
    path = f"/views/orders/{shop.place('tea', 'EUR', 'bob')}"
    owner = shop.eventually(path)["worker"]
    (at,) = [worker for worker in shop.workers if worker.http.get(path).is_success]
    assert at.http.get(path).json()["worker"] == owner
    for answer in [worker.http.get(path) for worker in shop.workers if worker is not at]:
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_ACTIVE")
    assert {owner_told_by(worker, path) for worker in shop.workers if worker is not at} == {at.url}


def owner_told_by(worker: Serving, path: str) -> str:
    """It tells of none while the group does not say soon."""
    return until(lambda: str(worker.http.get(path).json().get("owner", "")), "the owner is named")


def test_a_row_that_no_event_made_does_not_exist(shop: Shop) -> None:
    answer = shop.api.http.get(f"/views/orders/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "DOES_NOT_EXIST")


def test_every_view_of_every_key_is_read_at_one_address_also_after_a_worker_was_killed(shop: Shop) -> None:
    orders = {shop.place(sku): sku for sku in SKUS}
    seen = {order_id: shop.eventually(f"/views/orders/{order_id}") for order_id in orders}
    assert {order_id: row["lines"][0]["sku"] for order_id, row in seen.items()} == orders
    assert len({row["worker"] for row in seen.values()}) > 1

    listed = shop.eventually("/views/customers/ada/orders", lambda row: len(row["orders"]) == len(SKUS))
    assert {order["order_id"] for order in listed["orders"]} == set(orders)
    sales = shop.eventually("/views/sales/2011-10-06?currency=GBP", lambda row: row["orders"] == len(SKUS))
    assert sales["total_minor"] == len(SKUS) * 300
    for sku in SKUS:
        assert shop.eventually(f"/views/products/{sku}/demand")["ordered_quantity"] == 2

    shop.workers[0].end(signal.SIGKILL)
    later = shop.place("one more tea")
    assert shop.eventually(f"/views/orders/{later}")["lines"] == [{"sku": "one more tea", "quantity": 2}]
    shop.eventually("/views/customers/ada/orders", lambda row: len(row["orders"]) == len(SKUS) + 1)
    for order_id, sku in orders.items():
        assert shop.eventually(f"/views/orders/{order_id}")["lines"][0]["sku"] == sku
