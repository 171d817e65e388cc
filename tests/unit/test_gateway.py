"""The gateway asks the owner of a row, follows it when it moves, and never answers for it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from starlette.responses import Response

from app.web import gateway as gateways
from app.web.gateway import Gateway, new_client
from app.web.owners import Owner, Owners, loopback_only, no_link_local, worker_at
from app.web.problem import MEDIA_TYPE, Problem, ProblemError
from app.web.views import VIEWS, partition_of

pytestmark = pytest.mark.anyio

PARTITIONS = 4
VIEW = next(view for view in VIEWS if view.name == "product-demand")
PARAMS = {"sku": "white heart"}
PARTITION = partition_of("white heart", PARTITIONS)
DEAD = Owner("dead", "http://127.0.0.1:1")
NOT_ACTIVE = Problem("NOT_ACTIVE", "ask two")


class Worker:
    """Answers what it is told to, and notes what it was asked."""

    def __init__(self, body: bytes, status: int = 200, form: str = "application/json; charset=utf-8") -> None:
        self.body, self.status, self.headers = body, status, {"content-type": form}
        self.asked: list[web.BaseRequest] = []

    async def serve(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request)
        return web.Response(body=self.body, status=self.status, headers=self.headers)


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


Start = Callable[[Worker], Awaitable[Owner]]


async def read(directory: Directory) -> Response:
    async with new_client() as client:
        return await Gateway(directory, PARTITIONS, client).read(VIEW, PARAMS)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Serves a worker at an address of its own, until the end of the test."""
    async with AsyncExitStack() as stack:

        async def started(worker: Worker) -> Owner:
            server = await stack.enter_async_context(RawTestServer(worker.serve))
            return Owner("one", f"http://{server.host}:{server.port}")

        yield started


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(gateways, "PAUSE_SECONDS", 0.01)


async def test_the_owners_answer_is_handed_on_unchanged(start: Start) -> None:
    worker = Worker(b'{"sku": "white heart",  "orders": 3}')
    answer = await read(Directory({PARTITION: await start(worker)}))
    assert (answer.status_code, answer.body) == (200, worker.body)
    assert worker.asked[0].path == "/views/products/white heart/demand"


async def test_a_row_that_does_not_exist_is_the_owners_word(start: Start) -> None:
    missing = Problem("DOES_NOT_EXIST", "no such product")
    answer = await read(Directory({PARTITION: await start(Worker(missing.body(), 404, MEDIA_TYPE))}))
    assert (answer.status_code, answer.body) == (404, missing.body())
    assert answer.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize("code", ["TOO_MANY_ROWS", "STORE_EXCEPTION"])
async def test_why_a_row_will_not_come_is_the_owners_word_too(start: Start, code: str) -> None:
    problem = Problem(code, "ask for less, or have it mended")
    answer = await read(Directory({PARTITION: await start(Worker(problem.body(), problem.status, MEDIA_TYPE))}))
    assert (answer.status_code, answer.body) == (problem.status, problem.body())


@pytest.mark.parametrize(("status", "form"), [(200, MEDIA_TYPE), (404, "application/json"), (500, "text/plain")])
async def test_an_answer_in_a_form_that_no_worker_gives_it_is_not_believed(
    start: Start, status: int, form: str
) -> None:
    stranger, new = Worker(b"{}", status, form), Worker(b'{"sku": "mine"}')
    answer = await read(Directory({PARTITION: await start(stranger)}, {PARTITION: await start(new)}))
    assert answer.body == new.body


async def test_a_row_that_moved_is_followed(start: Start) -> None:
    old, new = Worker(NOT_ACTIVE.body(), 503, MEDIA_TYPE), Worker(b"{}")
    answer = await read(Directory({PARTITION: await start(old)}, {PARTITION: await start(new)}))
    assert answer.body == b"{}"
    assert (len(old.asked), len(new.asked)) == (1, 1)


async def test_a_dead_worker_is_asked_no_longer_than_it_is_listed(start: Start) -> None:
    directory = Directory({PARTITION: DEAD}, {PARTITION: await start(Worker(b"{}"))})
    assert (await read(directory)).body == b"{}"


async def test_another_program_at_the_address_of_a_worker_is_not_believed(start: Start) -> None:
    stranger, new = Worker(b"<html>hello</html>", 200, "text/html"), Worker(b"{}")
    assert (await read(Directory({PARTITION: await start(stranger)}, {PARTITION: await start(new)}))).body == b"{}"


async def test_a_redirect_of_a_worker_is_not_followed(start: Start) -> None:
    target = Worker(b"{}")
    astray = Worker(b"", 302)
    astray.headers["location"] = (await start(target)).url
    directory = Directory({PARTITION: await start(astray)})
    with pytest.raises(ProblemError, match="one does not answer"):
        await read(directory)
    assert target.asked == []


@pytest.mark.parametrize("place", [None, PARTITION, (PARTITION + 1) % PARTITIONS])
async def test_without_an_active_owner_the_answer_is_not_active(start: Start, place: int | None) -> None:
    one = await start(Worker(NOT_ACTIVE.body(), 503, MEDIA_TYPE))
    directory = Directory({} if place is None else {place: one})
    with pytest.raises(ProblemError) as caught:
        await read(directory)
    problem = caught.value.problem
    assert (problem.code, problem.status, problem.headers) == ("NOT_ACTIVE", 503, {"Retry-After": "1"})
    assert problem.extras.get("owner") == (one.url if place == PARTITION else None)
    assert directory.asked_again > 0


async def test_a_worker_is_asked_for_the_row_and_told_nothing_else(start: Start) -> None:
    worker = Worker(b"{}")
    worker.headers["set-cookie"] = "theirs=1"
    owner = await start(worker)
    async with new_client() as client:
        for _ in range(2):
            await Gateway(Directory({PARTITION: owner}), PARTITIONS, client).read(VIEW, PARAMS)
    assert [{name.lower() for name in asked.headers} for asked in worker.asked] == [{"host", "accept"}] * 2
    assert worker.asked[0].query_string == ""


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
