"""The index of dead letters: what it says is what the topics say, however often and by whomever it is filled."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from app.deadletters import audit, reading, runs
from app.deadletters.campaign import Campaign
from app.deadletters.desk import FilledDesk
from app.deadletters.errors import IndexMissingError, NoLetterError
from app.deadletters.reading import Filter
from app.deadletters.runs import Order
from app.streaming.failures import Behind
from tests.contract.dead_letters import PARTITIONS, Post
from tests.topics import MakeTopics

TABLES = ("positions", "failures", "letters", "submissions", "outcomes")
LETTERS = 40


@pytest.fixture
def post(kafka: str, make_topics: MakeTopics, unique: Callable[[str], str]) -> Post:
    return Post(kafka, unique("orderflow-index"), make_topics)


def rows(desk: FilledDesk) -> dict[str, list[tuple[Any, ...]]]:
    """All that the index holds."""
    return {
        name: sorted(desk.connection.execute(f"select t::text from dead_letters.{name} t").fetchall())
        for name in TABLES
    }


def redriven(desk: FilledDesk, post: Post, failure: str | None = None) -> str:
    run, _, _ = runs.freeze(
        desk.connection, Order(asked=Filter(failure=failure), action="redrive", who="op", rate=500), {}
    )
    Campaign(desk.connection, desk.index, post.kafka, run, "op", step_s=0.2).run(threading.Event())
    return run.id


def test_letters_of_one_bug_are_one_group_and_others_are_others(post: Post, database: str) -> None:
    for number in range(LETTERS):
        post.die(f"key-{number}".encode(), error=ValueError(f"order {number} at 0x{number + 4096:x} has 'no {number}'"))
    post.die(b"other", error=KeyError("sku"))
    with post.desk(database) as desk:
        groups = reading.failures(desk.connection, Filter())
    assert [(group.exception, group.dead) for group in groups] == [
        ("builtins.ValueError", LETTERS),
        ("builtins.KeyError", 1),
    ]


def test_filling_again_or_by_many_at_once_adds_nothing(post: Post, database: str) -> None:
    post.die_all([f"key-{number}".encode() for number in range(LETTERS)])
    post.flush()

    def fill(_: int) -> int:
        with post.desk(database) as desk:
            desk.index.catch_up()
            return len(reading.letters(desk.connection, Filter()))

    with ThreadPoolExecutor(4) as fillers:
        assert list(fillers.map(fill, range(4))) == [LETTERS] * 4


def test_an_emptied_index_is_filled_to_the_same_rows_and_notes_and_audit_stay(post: Post, database: str) -> None:
    first = post.die_all([f"key-{number}".encode() for number in range(LETTERS)])
    post.die(b"key-0", behind=Behind(1, f"{first[0].topic}:{first[0].partition}:{first[0].offset}"))
    doomed = {b"key-3", b"key-5"}
    with post.worker(lambda sent: "dead" if sent.key in doomed else "resolved"), post.desk(database) as desk:
        redriven(desk, post)
        desk.note("op", reading.letters(desk.connection, Filter())[0].failure, "known")
        before, acts = rows(desk), audit.acts(desk.connection)
        desk.index.empty()
        assert reading.letters(desk.connection, Filter()) == []
        desk.index.catch_up()
        assert rows(desk) == before
        assert audit.acts(desk.connection) == acts
        (group,) = [one for one in reading.failures(desk.connection, Filter()) if one.notes]
        assert group.notes == 1
        states = {
            state: len(reading.letters(desk.connection, Filter(states=(state,)))) for state in ("resolved", "replaced")
        }
    assert states == {"resolved": LETTERS - len(doomed) + 1, "replaced": len(doomed)}


def test_a_letter_is_kept_whole_whatever_its_bytes_are(post: Post, database: str) -> None:
    large = bytes(range(256)) * 16
    post.die(large, value=None, error=ValueError("\x00 and \ud800"))
    with post.desk(database) as desk:
        (entry,) = reading.letters(desk.connection, Filter(key=large))
        letter = reading.content(desk.connection, entry.id)
    assert (letter.key, letter.value, list(letter.headers)) == (large, None, [("h", b"1")])


def test_of_a_record_that_died_more_than_once_the_last_letter_stands(post: Post, database: str) -> None:
    """As after a topology was built anew from its start."""
    record = post.die(b"key")
    post.die(b"key", origin=record)
    with post.desk(database) as desk:
        first, last = reading.letters(desk.connection, Filter())
    assert (first.offset, first.state, last.state) == (last.offset, "replaced", "dead")


def test_the_audit_takes_no_change(post: Post, database: str) -> None:
    with post.desk(database) as desk:
        audit.record(desk.connection, "op", "rebuild", ["a:0:0"])
        for change in (
            "update dead_letters.audit set who = 'x'",
            "delete from dead_letters.audit",
            "truncate dead_letters.audit",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
                desk.connection.execute(change)
        assert [act.who for act in audit.acts(desk.connection)] == ["op"]


def test_a_letter_that_is_none_and_a_database_without_tables_are_told(post: Post, database: str) -> None:
    with post.desk(database) as desk:
        with pytest.raises(NoLetterError):
            desk.envelope(f"{post.group}-dlq:{PARTITIONS}:0")
        desk.connection.execute("drop schema dead_letters cascade")
    with pytest.raises(IndexMissingError, match="orderflow migrate"), post.desk(database):
        pass
