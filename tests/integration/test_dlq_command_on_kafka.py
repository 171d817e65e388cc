"""`orderflow dlq` from the first look to the last letter, on real servers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from app.cli import dlq
from app.domain.events import Event, OrderCreated
from app.errors import RefusedError, SetupError
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.failures import engine_headers
from app.streaming.names import group_id
from tests.contract.dead_letters import Post
from tests.schema.sample_events import ENVELOPE, PAYLOADS
from tests.topics import MakeTopics
from topologies import catalogue

CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
CREATED: Event = msgspec.convert(ENVELOPE | PAYLOADS[OrderCreated], OrderCreated)
KEY = CREATED.order_id


@pytest.fixture
def post(
    kafka: str, database: str, make_topics: MakeTopics, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Post:
    """Of the one topology that there is: three letters of two bugs, one of them of an order that can be decoded."""
    name = unique("story")
    monkeypatch.setattr(catalogue, "NAMES", (name,))
    monkeypatch.setenv("ORDERFLOW_KAFKA", kafka)
    monkeypatch.setenv("ORDERFLOW_POSTGRES", database)
    found = Post(kafka, group_id(name), make_topics)
    found.die(KEY.encode(), value=CODEC.encode(CREATED), error=KeyError("sku"))
    for number in (1, 2):
        found.die(f"key-{number}".encode(), error=ValueError(f"order {number}"))
    found.flush()
    return found


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(dlq.cli, list(arguments), catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def told(*arguments: str, code: int = 0) -> Any:
    return msgspec.json.decode(run(*arguments, "--json", code=code).stdout)


def the_order(post: Post) -> str:
    (letter,) = told("list", "--key", KEY)
    return str(letter["id"])


def test_letters_are_listed_by_what_they_have_in_common(post: Post) -> None:
    groups = told("groups")
    assert [(group["exception"], group["dead"], group["schema"]) for group in groups] == [
        ("builtins.ValueError", 2, ""),
        ("builtins.KeyError", 1, "orderflow.orders.OrderCreated"),
    ]
    assert len(told("list")) == 3
    assert [len(told("list", "--group", group["id"])) for group in groups] == [2, 1]
    assert len(told("list", "--topology", catalogue.NAMES[0], "--reason", "non-retryable")) == 3
    assert told("list", "--state", "resolved,discarded") == []
    assert "2 groups" in run("groups").stdout
    assert "3 dead letters" in run("list").stdout


def test_a_letter_is_shown_decoded_where_its_schema_is_known_and_as_hex_where_not(post: Post) -> None:
    event = told("show", the_order(post))["original_event"]
    assert (event["type"], event["order_id"]) == ("OrderCreated", KEY)
    (first, _) = told("list", "--reason", "non-retryable", "--group", told("groups")[0]["id"])
    shown = told("show", first["id"])
    assert shown["original_event"] == {"hex": "07"}
    assert shown["error"]["message"].startswith("order ")
    assert "ValueError" in shown["error"]["stack"]
    assert {"reason", "timestamp"} <= set(shown)


def test_notes_and_every_action_are_kept(post: Post) -> None:
    group = told("groups")[0]["id"]
    run("note", group, "the supplier sends no totals")
    assert told("rebuild")["records"] == 3
    assert told("groups")[0]["notes"] == 1
    assert [act["action"] for act in told("audit")] == ["note", "rebuild"]
    with pytest.raises(RefusedError, match="no group nosuch"):
        run("note", "nosuch", "text")


def test_a_dry_run_freezes_what_a_later_run_sends(post: Post) -> None:
    group = told("groups")[0]["id"]
    plan = told("redrive", "--group", group, "--dry-run")
    assert sorted((key["key"], key["parked_behind"]) for key in plan["keys"]) == [("key-1", 0), ("key-2", 0)]
    post.die(b"key-3", error=ValueError("order 3"))
    with post.worker():
        post.flush()
        ended = told("redrive", "--resume", plan["run"])
    assert (ended["state"], ended["resolved"], ended["left"]) == ("finished", 2, 0)
    assert [letter["key"] for letter in told("list", "--group", group)] == ["key-3"]


def test_letters_that_die_again_are_told_and_their_old_ones_replaced(post: Post) -> None:
    with post.worker(lambda sent: "dead"):
        ended = told("redrive", "--filter", "key=key-1", code=1)
    assert (ended["died"], ended["left"]) == (1, 1)
    (letter,) = told("list", "--key", "key-1")
    assert (letter["redrives"], letter["state"]) == (1, "dead")
    assert len(told("list", "--key", "key-1", "--state", "all")) == 2


def test_an_edited_payload_is_a_new_event_caused_by_the_old_one(post: Post, tmp_path: Path) -> None:
    letter, file = the_order(post), tmp_path / "mended.json"
    mended = told("show", letter)["original_event"] | {"customer_id": "17850"}
    file.write_bytes(msgspec.json.encode(mended))
    changed = told("diff", letter, str(file))["difference"]
    assert any(line.startswith("+") and "17850" in line for line in changed)
    with post.worker():
        run("redrive", "--edit", f"{letter}={file}", "--yes")
    (sent,) = post.sent()
    event = CODEC.decode(sent.value)
    assert isinstance(event, OrderCreated)
    assert (event.customer_id, event.order_id, event.version) == ("17850", KEY, CREATED.version)
    assert event.causation_id == CREATED.event_id
    assert event.event_id != CREATED.event_id
    assert sent.key == KEY.encode()
    assert engine_headers(sent)[1]["__orderflow.edited.from"] == letter


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"order_id": "00000000-0000-4000-8000-000000000000"}, "an edit keeps its key"),
        ({"currency": "pounds"}, "no OrderCreated"),
        ({"colour": "red"}, "has no colour"),
        ({"type": "PaymentFailed"}, "no type of orders.events"),
    ],
)
def test_an_edit_that_is_no_event_of_the_key_is_refused(
    post: Post, tmp_path: Path, change: dict[str, str], why: str
) -> None:
    letter, file = the_order(post), tmp_path / "mended.json"
    file.write_bytes(msgspec.json.encode(told("show", letter)["original_event"] | change))
    with pytest.raises(RefusedError, match=why):
        run("redrive", "--edit", f"{letter}={file}", "--yes")
    assert post.sent() == []


def test_an_edit_that_is_not_confirmed_sends_nothing(post: Post, tmp_path: Path) -> None:
    letter, file = the_order(post), tmp_path / "mended.json"
    file.write_bytes(msgspec.json.encode(told("show", letter)["original_event"]))
    with pytest.raises(RefusedError, match="not confirmed"):
        run("redrive", "--edit", f"{letter}={file}")
    assert post.sent() == []


def test_a_discarded_letter_is_dropped_by_its_task_and_says_why_in_the_audit(post: Post) -> None:
    with post.worker():
        run("discard", "--filter", "key=key-2", "--why", "a test order")
    assert [letter["key"] for letter in told("list", "--state", "discarded")] == ["key-2"]
    assert ("run", "a test order") in [(act["action"], act["why"]) for act in told("audit")]


def test_an_export_holds_every_letter_whole(post: Post, tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    run("export", "--to", str(file))
    lines = [msgspec.json.decode(line) for line in file.read_text().splitlines()]
    assert lines == told("export")
    assert {line["id"] for line in lines} == {letter["id"] for letter in told("list")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["redrive"], "say which letters"),
        (["redrive", "--filter", "colour=red"], "no filter colour"),
        (["list", "--state", "gone"], "no state gone"),
        (["list", "--key", "hex:xyz"], "is no key"),
    ],
)
def test_what_cannot_be_meant_is_refused(post: Post, arguments: list[str], message: str) -> None:
    assert message in run(*arguments, code=2).stderr


def test_what_is_not_there_is_told(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (["show", "a:0:0"], ["redrive", "--resume", "nosuch"], ["redrive", "--letter", "a:0:0"]):
        with pytest.raises(RefusedError):
            run(*arguments)
    monkeypatch.setenv("ORDERFLOW_POSTGRES", "garbage")
    with pytest.raises(SetupError, match="ORDERFLOW_POSTGRES"):
        run("list")
