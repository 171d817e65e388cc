"""The gateway asks the owner of a row, follows it when it moves, and never answers for it."""

from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.web import gateway as gateways
from app.web.gateway import Gateway
from app.web.owners import Owner, Owners, loopback_only, no_link_local, worker_at
from app.web.problem import MEDIA_TYPE, Problem, ProblemError
from app.web.views import VIEWS, partition_of

pytestmark = pytest.mark.anyio

PARTITIONS = 4
VIEW = next(view for view in VIEWS if view.name == "product-demand")
PARAMS = {"sku": "white heart"}
PARTITION = partition_of("white heart", PARTITIONS)
ONE, TWO = Owner("one", "http://127.0.0.1:7001"), Owner("two", "http://127.0.0.1:7002")
NOT_ACTIVE = Problem("NOT_ACTIVE", "ask two")


class Worker:
    """Answers what it is told to, and notes what it was asked."""

    def __init__(self, body: bytes, status: int = 200, form: str = "application/json; charset=utf-8") -> None:
        self.answer = Response(body, status, media_type=form)
        self.asked: list[Request] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._serve)])

    async def _serve(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answer


class Directory:
    """Says one thing after the other; the last one stays."""

    def __init__(self, *owners: Mapping[int, Owner]) -> None:
        self.known = [Owners(by_partition) for by_partition in owners]
        self.asked_again = 0

    async def owners(self, not_those: Owners | None = None) -> Owners:
        if self.known[0] is not_those:
            self.asked_again += 1
            if len(self.known) > 1:
                self.known.pop(0)
        return self.known[0]


def gateway(directory: Directory, workers: Mapping[Owner, Worker]) -> Gateway:
    mounts = {owner.url: httpx.ASGITransport(worker.app) for owner, worker in workers.items()}
    # all other addresses: nobody listens
    nobody = httpx.AsyncHTTPTransport()
    return Gateway(directory, PARTITIONS, httpx.AsyncClient(transport=nobody, mounts=mounts, trust_env=False))


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(gateways, "PAUSE_SECONDS", 0.01)


async def test_the_owners_answer_is_handed_on_unchanged() -> None:
    worker = Worker(b'{"sku": "white heart",  "orders": 3}')
    answer = await gateway(Directory({PARTITION: ONE}), {ONE: worker}).read(VIEW, PARAMS)
    assert (answer.status_code, answer.body) == (200, worker.answer.body)
    assert worker.asked[0].scope["path"] == "/views/products/white heart/demand"


async def test_a_row_that_does_not_exist_is_the_owners_word() -> None:
    missing = Problem("DOES_NOT_EXIST", "no such product")
    worker = Worker(missing.body(), 404, MEDIA_TYPE)
    answer = await gateway(Directory({PARTITION: ONE}), {ONE: worker}).read(VIEW, PARAMS)
    assert (answer.status_code, answer.body) == (404, missing.body())
    assert answer.headers["content-type"] == MEDIA_TYPE


async def test_a_row_that_moved_is_followed() -> None:
    old, new = Worker(NOT_ACTIVE.body(), 503, MEDIA_TYPE), Worker(b"{}")
    directory = Directory({PARTITION: ONE}, {PARTITION: TWO})
    answer = await gateway(directory, {ONE: old, TWO: new}).read(VIEW, PARAMS)
    assert answer.body == b"{}"
    assert (len(old.asked), len(new.asked)) == (1, 1)


async def test_a_dead_worker_is_asked_no_longer_than_it_is_listed() -> None:
    new = Worker(b"{}")
    directory = Directory({PARTITION: Owner("dead", "http://127.0.0.1:1")}, {PARTITION: TWO})
    assert (await gateway(directory, {TWO: new}).read(VIEW, PARAMS)).body == b"{}"


async def test_another_program_at_the_address_of_a_worker_is_not_believed() -> None:
    stranger, new = Worker(b"<html>hello</html>", 200, "text/html"), Worker(b"{}")
    directory = Directory({PARTITION: ONE}, {PARTITION: TWO})
    assert (await gateway(directory, {ONE: stranger, TWO: new}).read(VIEW, PARAMS)).body == b"{}"


async def test_a_redirect_of_a_worker_is_not_followed() -> None:
    astray, target = Worker(b"", 302), Worker(b"{}")
    astray.answer.headers["location"] = f"{TWO.url}/elsewhere"
    with pytest.raises(ProblemError, match="one does not answer"):
        await gateway(Directory({PARTITION: ONE}), {ONE: astray, TWO: target}).read(VIEW, PARAMS)
    assert target.asked == []


@pytest.mark.parametrize("owners", [{}, {PARTITION: ONE}, {(PARTITION + 1) % PARTITIONS: ONE}])
async def test_without_an_active_owner_the_answer_is_not_active(owners: Mapping[int, Owner]) -> None:
    directory = Directory(owners)
    with pytest.raises(ProblemError) as caught:
        await gateway(directory, {ONE: Worker(NOT_ACTIVE.body(), 503, MEDIA_TYPE)}).read(VIEW, PARAMS)
    problem = caught.value.problem
    assert (problem.code, problem.status, problem.headers) == ("NOT_ACTIVE", 503, {"Retry-After": "1"})
    assert problem.extras.get("owner") == (ONE.url if PARTITION in owners else None)
    assert directory.asked_again > 0


async def test_nothing_that_a_client_sends_reaches_a_worker_but_the_row_it_wants() -> None:
    worker = Worker(b"{}")
    await gateway(Directory({PARTITION: ONE}), {ONE: worker}).read(VIEW, PARAMS)
    assert not {"authorization", "cookie", "x-forwarded-for"} & set(worker.asked[0].headers)
    assert worker.asked[0].scope["query_string"] == b""


@pytest.mark.parametrize(
    ("client_id", "url"),
    [
        ("views-1@127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("views-1@localhost:8100", "http://localhost:8100"),
        ("views-1@[::1]:8100", "http://[::1]:8100"),
        ("views-1@10.0.0.7:8100", None),
        ("views-1@169.254.169.254:80", None),
        ("views-1@localhost:80/path", None),
        ("views-1@user:pass@localhost:80", None),
        ("views-1@localhost", None),
        ("aiokafka-0.14.0", None),
        ("", None),
    ],
)
def test_a_member_is_called_only_at_a_plain_loopback_address(client_id: str, url: str | None) -> None:
    worker = worker_at(client_id, loopback_only)
    assert (worker and worker.url) == url


def test_a_gateway_of_many_machines_calls_any_host_but_link_local_ones() -> None:
    assert worker_at("views-1@views-1.internal:8100", no_link_local) == Owner("views-1", "http://views-1.internal:8100")
    assert worker_at("views-1@169.254.169.254:80", no_link_local) is None
