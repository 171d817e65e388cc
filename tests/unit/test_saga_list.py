"""The list of sagas has every one that is known of, with what can be told of each."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from uuid import uuid4

import httpx
import msgspec
import pytest
from starlette.responses import Response

from app.domain.events import Event, OrderCancelled, OrderCreated, PaymentCompleted, PaymentReleaseRefused
from app.domain.fulfilment_saga import SAGAS
from app.eventstore.memory import MemoryEventStore
from app.eventstore.port import UnreadableEventError
from app.inbox import history as histories
from app.inbox.audit import Audit
from app.inbox.history import History, HistoryTooLongError
from app.inbox.sending import Sender
from app.people.people import People
from app.sagas.instance import Instance, StepState
from app.serde.lock import committed_registry
from app.streaming.errors import KafkaUnreachableError
from app.web import saga_desk, sagas
from app.web.api import create_app
from app.web.gateway import Gateway
from app.web.problem import MEDIA_TYPE, Problem
from app.web.saga_desk import SagaDesk
from app.web.saga_pages import Late
from tests.contract.commanding import problem
from tests.contract.person_keys import MemoryPersonKeys
from tests.unit.order_events import NOW, event
from tests.waiting import until

pytestmark = pytest.mark.anyio

NOWHERE = "127.0.0.1:1"
ORCHESTRATED = Instance(
    saga="fulfilment",
    version=1,
    saga_id=str(uuid4()),
    status="COMPENSATION_FAILED",
    steps=tuple(StepState() for _ in next(iter(SAGAS)).steps),
    began_at=NOW,
)


class Workers:
    """Those of one topology: they list what they are told to, unless `problem` is what they answer."""

    partitions = 1

    def __init__(self) -> None:
        self.listed: list[Any] = []
        self.problem: Problem | None = None

    async def ask(self, partition: int, target: str, name: str, limit: object = None) -> Response:
        if self.problem is not None:
            return Response(self.problem.body(), self.problem.status, media_type=MEDIA_TYPE)
        # the only ones there are, in one state
        listed = self.listed if target.startswith(("/not-undone", "/overdue")) or "COMPENSATION" in target else []
        return Response(msgspec.json.encode(listed), media_type="application/json")


class Told(History):
    """The topics: they tell what they were given of an order, or fail; `together` wait for each other."""

    def __init__(self) -> None:
        self.of_order: dict[str, list[Event]] = {}
        self.failures: dict[str, Exception] = {}
        self.together = 1
        self.limits: list[float] = []
        self.reading = self.most = 0

    def of(self, order_id: str, partition: int, since: int, limit_s: float = 0) -> list[Event]:
        self.limits.append(limit_s)
        self.reading += 1
        self.most = max(self.most, self.reading)
        until(lambda: self.most >= self.together, f"{self.together} are read side by side", limit_s=60)
        time.sleep(0.0 if self.together == 1 else 0.1)  # one more than these would begin meanwhile
        self.reading -= 1
        if order_id in self.failures:
            raise self.failures[order_id]
        return self.of_order[order_id]


class System:
    """What the API of sagas has before it."""

    def __init__(self) -> None:
        self.store, self.history = MemoryEventStore(), Told()
        self.sagas, self.fulfilment = Workers(), Workers()
        self.payments, self.inventory, self.shipping = Workers(), Workers(), Workers()

    async def append(self, order_id: str, *events: Event) -> None:
        for one in events:
            await self.store.append(order_id, one.version - 1, [one], command_id=uuid4())

    async def cancelled(self, at: int = NOW) -> str:
        """An order whose refund was refused, and whose history tells of it."""
        order_id = str(uuid4())
        cancelled = event(OrderCancelled, 2, order_id=order_id, occurred_at=at + 2, reason="customer")
        await self.append(order_id, event(OrderCreated, 1, order_id=order_id, occurred_at=at), cancelled)
        self.history.of_order[order_id] = [
            event(PaymentCompleted, 1, order_id=order_id, occurred_at=at + 1),
            event(PaymentReleaseRefused, 2, order_id=order_id, occurred_at=at + 3),
        ]
        self.payments.listed.append(order_id)
        return order_id


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
async def api(system: System) -> AsyncIterator[httpx.AsyncClient]:
    yield_to, registry = cast("Gateway", system.sagas), committed_registry()
    services = [cast("Gateway", one) for one in (system.payments, system.inventory, system.shipping)]
    desk = SagaDesk(
        system.store,
        yield_to,
        services,
        cast("Gateway", system.fulfilment),
        system.history,
        Audit("host=/nowhere"),
        Sender(NOWHERE, registry),
        deadline_us=1_000_000,
        now=lambda: NOW,
    )
    app = create_app(system.store, yield_to, People(MemoryPersonKeys()), lambda: NOW)
    sagas.serve(app, desk)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http:
        yield http


async def listed(api: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"/sagas{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["sagas"]
    return found


def ids(found: Sequence[dict[str, Any]]) -> list[str]:
    return [one["order_id"] for one in found]


FAILURES = [HistoryTooLongError("not within 20 s; ask again"), KafkaUnreachableError("Kafka does not answer; start it")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_history_that_cannot_be_read_hides_no_saga(
    api: httpx.AsyncClient, system: System, failure: Exception
) -> None:
    late = str(uuid4())
    await system.append(late, event(OrderCreated, 1, order_id=late))
    system.fulfilment.listed = [Late(late, "PaymentCompleted")]
    system.sagas.listed = [ORCHESTRATED]
    unread, read = await system.cancelled(NOW + 10), await system.cancelled(NOW + 20)
    system.history.failures = {unread: failure}
    assert ids(await listed(api)) == [ORCHESTRATED.saga_id, unread, read, late]


async def test_of_an_order_whose_history_cannot_be_read_the_services_and_its_own_events_tell(
    api: httpx.AsyncClient, system: System
) -> None:
    order_id = await system.cancelled()
    [known] = await listed(api)
    assert known["failed"] == ["payment"]
    system.history.failures = {order_id: FAILURES[0]}
    assert await listed(api) == [known]
    system.shipping.listed = [order_id]
    assert await listed(api) == [known | {"failed": ["payment", "delivery"]}]


async def test_an_order_whose_history_tells_that_it_waits_no_more_is_not_listed(
    api: httpx.AsyncClient, system: System
) -> None:
    order_id = await system.cancelled()
    system.history.of_order[order_id] = []
    assert await listed(api) == []


async def test_histories_are_read_side_by_side_a_few_at_a_time(api: httpx.AsyncClient, system: System) -> None:
    system.history.together = saga_desk.SIDE_BY_SIDE
    orders = [await system.cancelled(NOW + number) for number in range(3 * saga_desk.SIDE_BY_SIDE)]
    assert ids(await listed(api)) == orders
    assert system.history.most == saga_desk.SIDE_BY_SIDE


async def test_all_histories_of_a_list_have_one_limit(
    api: httpx.AsyncClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    orders = [await system.cancelled(NOW + number) for number in range(3 * saga_desk.SIDE_BY_SIDE)]
    monkeypatch.setattr(saga_desk, "HISTORIES_S", 1_000.0)
    assert ids(await listed(api)) == orders
    assert all(1_000 - (time.monotonic() - began) <= limit_s <= 1_000 for limit_s in system.history.limits)
    assert system.history.limits[-1] < system.history.limits[0]


def test_a_history_that_has_no_time_left_is_not_begun() -> None:
    """Nothing is asked of a broker: there is none."""
    with pytest.raises(HistoryTooLongError):
        History(NOWHERE, committed_registry()).of(str(uuid4()), 0, NOW, 0.0)


async def test_an_order_that_the_store_does_not_know_hides_no_saga(api: httpx.AsyncClient, system: System) -> None:
    """As one that somebody else has told the topics of."""
    forged, late, known = str(uuid4()), str(uuid4()), await system.cancelled()
    system.payments.listed.append(forged)
    system.fulfilment.listed = [Late(late, "PaymentCompleted")]
    found = await listed(api)
    assert ids(found) == [forged, known, late]
    assert (found[0]["state"], found[0]["failed"]) == ("COMPENSATION_FAILED", ["payment"])
    assert (found[2]["state"], found[2]["waits_for"]) == ("RUNNING", "PaymentCompleted")


async def test_an_order_that_the_store_cannot_read_hides_no_saga(
    api: httpx.AsyncClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, known, read = await system.cancelled(), await system.cancelled(), system.store.read

    async def fails(order_id: str, from_version: int = 1) -> list[Event]:
        if order_id == broken:
            raise UnreadableEventError("version 1 is no event; skip it")
        return await read(order_id, from_version)

    monkeypatch.setattr(system.store, "read", fails)
    assert ids(await listed(api)) == [broken, known]


async def test_a_row_that_a_worker_cannot_read_is_told_as_such(api: httpx.AsyncClient, system: System) -> None:
    system.payments.problem = Problem("STORE_EXCEPTION", "row 7 of payments cannot be read; reset it")
    assert problem(await api.get("/sagas"), 500, "STORE_EXCEPTION")["detail"] == system.payments.problem.detail


async def test_without_a_broker_a_saga_is_to_be_asked_for_again(
    api: httpx.AsyncClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await system.cancelled()
    monkeypatch.setattr(histories, "REQUEST_S", 0.5)
    monkeypatch.setattr(system.history, "of", History(NOWHERE, committed_registry()).of)
    for answer in (
        await api.get(f"/sagas/{order_id}"),
        await api.post(f"/sagas/{order_id}/steps/payment/skip", json={"reason": "written off"}),
    ):
        problem(answer, 503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
    assert ids(await listed(api)) == [order_id]


async def test_a_step_that_no_saga_can_have_is_refused(api: httpx.AsyncClient, system: System) -> None:
    order_id = await system.cancelled()
    answer = await api.post(f"/sagas/{order_id}/steps/%00/skip", json={"reason": "written off"})
    assert problem(answer, 422, "REQUEST_INVALID")["errors"][0]["at"] == "path.step"
