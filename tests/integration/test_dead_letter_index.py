"""The index of dead letters: what it says is what the topics say, however often and by whomever it is filled."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from app.deadletters import audit, reading, runs, shown
from app.deadletters.campaign import Campaign
from app.deadletters.desk import FilledDesk
from app.deadletters.errors import IndexMissingError, IndexUnavailableError, NoLetterError
from app.deadletters.reading import Filter
from app.deadletters.runs import Order
from app.streaming.failures import OURS, Attempt, Behind, Redrive, dead_letter
from app.streaming.letters import outcome_output, redrive_output
from app.streaming.record import Output, Record
from tests.contract.dead_letters import NOW_MS, PARTITIONS, SOURCE, Post, raised
from tests.topics import MakeTopics

TABLES = ("positions", "failures", "letters", "submissions", "outcomes")
LETTERS = 40
# what no worker writes into a header: neither a name nor a number, or one that no column takes, or no calendar
STRANGE = (
    None,
    b"",
    b"\0",
    b"\xff\xfe",
    b"-1",
    *(str(number).encode() for number in (2**31, 2**62, 2**63, 10**30)),
    "".join(random.Random(7).choices("".join(map(chr, range(0x4E00, 0x9FFF))), k=2_500)).encode(),
)


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


def strange(output: Output) -> list[Output]:
    """The record with each of the engine's headers but the last one, which counts the others, as none writes it."""
    headers = list(output.headers)
    return [
        Output(
            output.topic,
            output.key,
            output.value,
            [*headers[:place], (name, value), *headers[place + 1 :]],
            output.partition,
            output.timestamp_ms,
        )
        for place, (name, _) in enumerate(headers)
        for value in STRANGE
        if name.startswith("__") and name != OURS + "headers"
    ]


def test_whatever_letters_and_outcomes_say_the_index_gets_past_them_and_all_it_holds_can_be_shown(
    post: Post, database: str
) -> None:
    post.die(b"first")
    with post.desk(database) as desk:
        (first,) = reading.letters(desk.connection, Filter(key=b"first"))
        letter = reading.content(desk.connection, first.id)
    redrive, behind = Redrive(first.id, "run-1", 1, "a-dlq:0:0"), Behind(1, f"{SOURCE}:0:9")
    record = Record(SOURCE, 0, 1, NOW_MS, b"strange", b"\x07", [("h", b"1")])
    failed = raised(ValueError("no total"))
    for output in (
        dead_letter(post.group, record, 0, Attempt(2, NOW_MS, redrive), failed, "parked-behind", NOW_MS, behind),
        outcome_output(post.group, redrive, "returned", b"first", 0, NOW_MS),
        redrive_output(letter, "redrive", "run-1"),
    ):
        for one in strange(output):
            post.put(one)
    for key in (b"0", b"1"):  # one in each partition, behind all of them
        post.die(key)
    with post.desk(database) as desk:
        assert [len(reading.letters(desk.connection, Filter(key=key))) for key in (b"0", b"1")] == [1, 1]
        found = reading.letters(desk.connection, Filter())
        assert len(found) > len(STRANGE)
        for entry in found:
            assert shown.line(desk.envelope(entry.id))
        for group in reading.failures(desk.connection, Filter()):
            assert shown.line(desk.failure(group.id))


def test_a_database_that_takes_no_writes_is_unavailable_until_it_does(post: Post, database: str) -> None:
    """As a standby that is not promoted yet."""
    post.die(b"key")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set default_transaction_read_only = on".encode())
    with pytest.raises(IndexUnavailableError, match="read-only transaction"), post.desk(database):
        pass


def test_what_no_database_takes_is_not_told_as_one_that_is_away(post: Post, database: str) -> None:
    with pytest.raises(psycopg.DataError), post.desk(database) as desk:
        reading.letters(desk.connection, Filter(reason="\0"))
