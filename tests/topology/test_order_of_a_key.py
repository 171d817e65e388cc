"""The failure boundary on the driver: retries, parking, dead letters, with a handler that fails as told."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from app.errors import PermanentError
from app.streaming.driver import Driver
from app.streaming.errors import KeyMismatchError
from app.streaming.projection import Projections
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import StructCodec, Topology
from tests.topology.story import DLQ, POLICY, SOURCE, Faults, Story, Text, send, telling, told, value_of


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def driver(faults: Faults) -> Iterator[Driver]:
    with telling(faults) as driver:
        yield driver


def test_later_records_of_a_failed_key_wait_and_other_keys_go_on(driver: Driver, faults: Faults) -> None:
    faults.left = {"b": 1}
    send(driver, "k", "a", "b", "c", "d")
    send(driver, "other", "x")
    driver.run()
    assert told(driver, "k") == ("a",)
    assert told(driver, "other") == ("x",)
    driver.advance(timedelta(seconds=3))
    assert told(driver, "k") == ("a", "b", "c", "d")


def test_retries_come_after_their_delays_and_never_early(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 2}
    send(driver, "k", "a")
    began = driver.now_us
    driver.advance(timedelta(seconds=10))
    assert [(at - began) // 1000 for _, at in faults.attempts] == [0, 2_000, 6_000]
    assert told(driver, "k") == ("a",)


def test_a_record_that_arrives_while_its_key_drains_comes_last(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1, "b": 1}
    send(driver, "k", "a", "b", "c")
    driver.advance(timedelta(seconds=2))
    send(driver, "k", "d")
    driver.advance(timedelta(seconds=3))
    assert told(driver, "k") == ("a", "b", "c", "d")


def test_exhausted_retries_make_a_dead_letter_and_the_key_stays_blocked(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 99}
    send(driver, "k", "a", "b")
    driver.advance(timedelta(seconds=60))
    (letter,) = driver.records(DLQ)
    headers = dict(letter.headers)
    assert (letter.key, headers["h"], headers["__orderflow.reason"]) == (b"k", b"\x00\xff", b"max-retries-exceeded")
    assert msgspec.msgpack.decode(letter.value or b"", type=Text).text == "a"
    assert [text for text, _ in faults.attempts] == ["a"] * 3
    assert told(driver, "k") == ()


def test_a_permanent_error_is_a_dead_letter_at_once(driver: Driver, faults: Faults) -> None:
    faults.left, faults.error = {"a": 1}, PermanentError
    send(driver, "k", "a", "b")
    driver.run()
    (letter,) = driver.records(DLQ)
    headers = dict(letter.headers)
    assert headers["__orderflow.reason"] == b"non-retryable"
    assert headers["__streams.errors.topic"] == SOURCE.encode()
    assert headers["__streams.errors.offset"] == b"0"
    assert b"PermanentError" in (headers["__streams.errors.exception"] or b"")


def test_a_record_without_a_key_blocks_nothing(driver: Driver) -> None:
    driver.pipe(Output(SOURCE, None, b"anything"))
    send(driver, "k", "a")
    driver.run()
    assert [letter.value for letter in driver.records(DLQ)] == [b"anything"]
    assert told(driver, "k") == ("a",)


def test_a_record_under_a_foreign_key_does_not_block_that_key(driver: Driver) -> None:
    driver.pipe(Output(SOURCE, b"victim", value_of("k", "a")))
    send(driver, "victim", "b")
    driver.run()
    assert len(driver.records(DLQ)) == 1
    assert told(driver, "victim") == ("b",)


def test_a_record_of_a_foreign_key_that_waited_does_not_block_those_behind_it(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a")
    driver.pipe(Output(SOURCE, b"k", value_of("other", "x")))
    send(driver, "k", "b")
    driver.advance(timedelta(seconds=3))
    assert len(driver.records(DLQ)) == 1
    assert told(driver, "k") == ("a", "b")
    driver.pipe(Output(SOURCE, b"k", value_of("other", "y")))
    faults.left = {"c": 1}
    send(driver, "k", "c")
    driver.pipe(Output(SOURCE, b"k", value_of("other", "z")))
    driver.advance(timedelta(seconds=3))
    assert len(driver.records(DLQ)) == 3
    assert told(driver, "k") == ("a", "b", "c")
    assert driver.rows("story", "blocked") == {}


def test_a_head_that_turns_out_to_be_of_a_foreign_key_lets_its_key_go_on(driver: Driver, faults: Faults) -> None:
    """As when the registry did not answer at first."""
    faults.left = {"a": 1}
    send(driver, "k", "a", "b")
    driver.run()
    faults.left, faults.error = {"a": 1}, KeyMismatchError
    driver.advance(timedelta(seconds=3))
    assert len(driver.records(DLQ)) == 1
    assert told(driver, "k") == ("b",)


def test_a_stranger_in_a_retry_topic_is_a_dead_letter(driver: Driver) -> None:
    driver.pipe(Output("orderflow-story-retry-2000", b"k", b"garbage", [("__orderflow.headers", b"x")]))
    send(driver, "k", "a")
    driver.advance(timedelta(seconds=5))
    assert [letter.value for letter in driver.records(DLQ)] == [b"garbage"]
    assert told(driver, "k") == ("a",)


def test_a_repeated_redelivery_is_ignored(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a")
    driver.run()
    (retry,) = driver.records("orderflow-story-retry-2000")
    driver.pipe(Output(retry.topic, retry.key, retry.value, retry.headers))
    driver.advance(timedelta(seconds=10))
    assert told(driver, "k") == ("a",)


def test_a_crash_between_checkpoints_changes_nothing(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a", "b", "c")
    driver.run()
    driver.crash()
    driver.advance(timedelta(seconds=3))
    assert told(driver, "k") == ("a", "b", "c")


def test_a_source_that_feeds_a_table_is_refused_a_second_one() -> None:
    topology = Topology("story", POLICY)
    source = topology.source(SOURCE, StructCodec(Text, lambda text: text.key))
    projections = Projections(topology)
    projections.add(source, into=TableSpec("stories", Story), fold=lambda row, text: row)
    with pytest.raises(ValueError, match="feeds stories already"):
        projections.add(source, into=TableSpec("others", Story), fold=lambda row, text: row)
