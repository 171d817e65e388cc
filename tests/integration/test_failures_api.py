"""`/failures` says and does what `orderflow dlq` does, over HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from app.deadletters import feed
from app.deadletters.alone import alone
from app.deadletters.office import Office
from app.domain.events import Event, OrderCreated
from app.eventstore.memory import MemoryEventStore
from app.people.people import People
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.failures import Behind
from app.web import dead_letters
from app.web.api import create_app
from app.web.gateway import Gateway
from tests.contract.commanding import problem
from tests.contract.dead_letters import Post
from tests.contract.person_keys import MemoryPersonKeys
from tests.contract.serving import NOW, NoOwners
from tests.schema.sample_events import ENVELOPE, PAYLOADS
from tests.topics import MakeTopics
from tests.waiting import PATIENCE_S, until

CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
CREATED: Event = msgspec.convert(ENVELOPE | PAYLOADS[OrderCreated], OrderCreated)


@pytest.fixture
def post(kafka: str, make_topics: MakeTopics, unique: Callable[[str], str]) -> Post:
    """A dead order with one record parked behind it, and another dead record."""
    found = Post(kafka, unique("orderflow-failures"), make_topics)
    head = found.die(CREATED.order_id.encode(), value=CODEC.encode(CREATED), error=KeyError("sku"))
    found.die(CREATED.order_id.encode(), behind=Behind(1, f"{head.topic}:{head.partition}:{head.offset}"))
    found.die(b"key-1", error=ValueError("order 1"))
    found.flush()
    return found


@pytest.fixture
def api(post: Post, database: str) -> Iterator[httpx.Client]:
    """The service over the index, which is kept up to date meanwhile."""
    office = Office(post.kafka, database, [post.group], committed_registry())
    with serving(office) as client, office.open():
        until(lambda: len(client.get("/failures").json()["groups"]) == 3)
        yield client


@contextmanager
def serving(office: Office) -> Iterator[httpx.Client]:
    """The service on a port of its own."""
    people = People(MemoryPersonKeys())
    app = create_app(MemoryEventStore(), Gateway(NoOwners(), 4, None), people, lambda: NOW)  # type: ignore[arg-type]  # asked for no view
    dead_letters.serve(app, office)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
        yield client
    server.should_exit = True
    thread.join(PATIENCE_S)


def letter_of(api: httpx.Client, key: str) -> dict[str, Any]:
    dead: list[dict[str, Any]] = api.get(f"/failures/keys/{key}").json()["dead"]
    return dead[-1]


def ended(api: httpx.Client, run: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def has_ended() -> bool:
        found.update(api.get(f"/failures/runs/{run}").json())
        return found["state"] in {"finished", "stopped", "aborted"}

    until(has_ended)
    return found


def test_groups_letters_and_keys_are_shown(api: httpx.Client, post: Post) -> None:
    groups = {group["exception"]: group for group in api.get("/failures").json()["groups"] if group["topic"]}
    assert groups["builtins.ValueError"]["dead"] == 1
    whole = api.get(f"/failures/groups/{groups['builtins.KeyError']['id']}").json()
    assert [letter["key"] for letter in whole["letters"]] == [CREATED.order_id]
    letter = api.get(f"/failures/letters/{whole['letters'][0]['id']}").json()
    assert letter["original_event"]["type"] == "OrderCreated"
    assert letter["error"]["message"] == "'sku'"
    story = api.get(f"/failures/keys/{CREATED.order_id}").json()
    assert [one["id"] for one in story["dead"]] == [letter["id"]]
    assert [(one["sequence"], one["reason"]) for one in story["chain"]] == [(1, "parked-behind")]
    assert story["dead"][0]["attempts"][0]["attempt"] == 1


def test_a_redrive_sends_a_head_and_its_chain_and_says_how_far_it_is(api: httpx.Client, post: Post) -> None:
    asked = {"key": CREATED.order_id, "why": "fixed", "rate": 500}
    frozen = api.post("/failures/redrive", json=asked | {"dry_run": True})
    assert (frozen.status_code, frozen.json()["keys"][0]["parked_behind"]) == (200, 1)
    assert post.sent() == []
    with post.worker():
        begun = api.post("/failures/redrive", json=asked)
        assert (begun.status_code, begun.headers["location"]) == (202, f"/failures/runs/{begun.json()['run']}")
        found = ended(api, begun.json()["run"])
    assert (found["state"], found["resolved"], found["left"]) == ("finished", 2, 0)
    actions = api.get("/failures/audit").json()["actions"]
    assert [act["action"] for act in actions] == ["freeze", "freeze", "run", "finished"]
    assert {act["who"] for act in actions} == {"api"}


def test_a_frozen_set_is_run_later_and_an_edit_takes_its_letters_place(api: httpx.Client, post: Post) -> None:
    letter = letter_of(api, CREATED.order_id)["id"]
    event = api.get(f"/failures/letters/{letter}").json()["original_event"] | {"customer_id": "17850"}
    plan = api.post("/failures/redrive", json={"edits": {letter: event}, "dry_run": True}).json()
    assert plan["letters"][0] == {"letter": letter, "action": "redrive", "edited": True}
    with post.worker():
        assert api.post(f"/failures/runs/{plan['run']}/resume").status_code == 202
        assert ended(api, plan["run"])["resolved"] == 2
    first = next(record for record in post.sent() if record.value != b"\x07")
    created = CODEC.decode(first.value)
    assert isinstance(created, OrderCreated)
    assert created.customer_id == "17850"


def test_a_campaign_is_stopped_and_resumed(api: httpx.Client, post: Post) -> None:
    run = api.post("/failures/redrive", json={"key": "key-1"}).json()["run"]
    until(lambda: len(post.sent()) == 1)
    problem(api.post(f"/failures/runs/{run}/resume"), 409, "CAMPAIGN_RUNNING")
    assert api.post(f"/failures/runs/{run}/stop").status_code == 202
    assert ended(api, run)["state"] == "stopped"
    with post.worker():
        until(lambda: api.post(f"/failures/runs/{run}/resume").status_code == 202)
        until(lambda: ended(api, run)["state"] == "finished")
    assert len(post.sent()) == 1


def test_a_campaign_is_refused_while_another_sends_to_its_group(api: httpx.Client, post: Post, database: str) -> None:
    with post.desk(database) as desk, alone(desk.connection, [post.group]):
        problem(api.post("/failures/redrive", json={"key": "key-1"}), 409, "CAMPAIGN_RUNNING")
    assert post.sent() == []


def test_a_discard_is_one_too(api: httpx.Client, post: Post) -> None:
    with post.worker():
        asked = {"letters": [letter_of(api, "key-1")["id"]], "why": "a test"}
        assert ended(api, api.post("/failures/discard", json=asked).json()["run"])["discarded"] == 1
    assert letter_of(api, "key-1")["state"] == "discarded"


def test_a_note_is_shown_with_its_group(api: httpx.Client) -> None:
    group = api.get("/failures").json()["groups"][0]["id"]
    noted = api.post("/failures/notes", json={"about": group, "text": "no totals"})
    assert (noted.status_code, noted.json()[0]["who"]) == (201, "api")
    assert [note["text"] for note in api.get(f"/failures/groups/{group}").json()["notes"]] == ["no totals"]


def test_what_cannot_be_done_and_what_is_not_there_is_a_problem(api: httpx.Client) -> None:
    refusals: list[tuple[str, dict[str, object] | None, int, str]] = [
        ("redrive", {}, 422, "REQUEST_INVALID"),
        ("redrive", {"colour": "red"}, 422, "REQUEST_INVALID"),
        ("redrive", {"key": "key-9"}, 409, "NOTHING_TO_SEND"),
        ("redrive", {"edits": {"a:0:0": {}}}, 404, "LETTER_UNKNOWN"),
        ("notes", {"about": "nosuch", "text": "x"}, 404, "GROUP_UNKNOWN"),
        ("notes", {"about": "nosuch", "text": "two\nlines"}, 422, "REQUEST_INVALID"),
        ("runs/nosuch/stop", None, 404, "RUN_UNKNOWN"),
        ("runs/nosuch/resume", None, 404, "RUN_UNKNOWN"),
    ]
    for path, body, status, code in refusals:
        problem(api.post(f"/failures/{path}", json=body), status, code)
    problem(api.get("/failures/letters/a:0:0"), 404, "LETTER_UNKNOWN")
    problem(api.get("/failures/groups/nosuch"), 404, "GROUP_UNKNOWN")
    problem(api.get("/failures/runs/nosuch"), 404, "RUN_UNKNOWN")
    assert api.get("/failures/keys/nosuch").json() == {"key": "nosuch", "dead": [], "chain": []}


def test_an_id_that_none_can_have_is_refused_by_its_name(api: httpx.Client) -> None:
    for path, at in (
        ("groups/%00", "path.failure"),
        ("letters/%00", "path.letter_id"),
        ("runs/%00", "path.run"),
        ("?topology=%00", "query.topology"),
    ):
        body = problem(api.get(f"/failures{'' if path[0] == '?' else '/'}{path}"), 422, "REQUEST_INVALID")
        assert [mistake["at"] for mistake in body["errors"]] == [at]
    bodies: list[tuple[str, dict[str, object], str]] = [
        ("notes", {"about": "\0", "text": "x"}, "about"),
        ("redrive", {"group": "\0"}, "group"),
        ("redrive", {"letters": ["\0"]}, "letters.0"),
        ("redrive", {"edits": {"\0": {}}}, "edits.\0.[key]"),
        ("discard", {"topology": "\0"}, "topology"),
        ("discard", {"reason": "\0"}, "reason"),
    ]
    for path, asked, at in bodies:
        body = problem(api.post(f"/failures/{path}", json=asked), 422, "REQUEST_INVALID")
        assert [mistake["at"] for mistake in body["errors"]] == [at]
    for path in ("runs/%00/resume", "runs/%00/stop"):
        problem(api.post(f"/failures/{path}"), 422, "REQUEST_INVALID")


def test_a_key_is_any_bytes(api: httpx.Client) -> None:
    assert api.get("/failures/keys/%00").json() == {"key": "\0", "dead": [], "chain": []}
    problem(api.post("/failures/discard", json={"key": "\0"}), 409, "NOTHING_TO_SEND")


def test_without_a_broker_what_needs_one_is_to_be_asked_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "REQUEST_S", 0.5)
    with serving(Office("127.0.0.1:1", database, ["orderflow-nobody"], committed_registry())) as client:
        assert client.get("/failures").status_code == 200
        bodies = {"notes": {"about": "nosuch", "text": "x"}, "redrive": {"key": "key-1"}, "discard": {"key": "key-1"}}
        for path, body in bodies.items():
            answer = client.post(f"/failures/{path}", json=body)
            problem(answer, 503, "UNAVAILABLE")
            assert answer.headers["retry-after"] == "1"


def test_the_pages_are_described(api: httpx.Client) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/failures", "/failures/letters/{letter_id}", "/failures/redrive"} <= set(paths)
