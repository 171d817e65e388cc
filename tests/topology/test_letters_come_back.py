"""Dead letters that come back, on the driver: only in their turn, and the order of their key holds."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from app.errors import PermanentError, TransientError
from app.streaming import projection
from app.streaming.driver import Driver
from app.streaming.errors import KeyMismatchError
from app.streaming.record import Output
from tests.topology.story import (
    DLQ,
    OTHER_SOURCE,
    POLICY,
    REDRIVE,
    SOURCE,
    Faults,
    letters,
    outcomes,
    send,
    send_back,
    telling,
    text_of,
    told,
    value_of,
)

BOUND = 2


@pytest.fixture
def faults() -> Faults:
    faults = Faults()
    faults.error = PermanentError
    return faults


@pytest.fixture
def driver(faults: Faults) -> Iterator[Driver]:
    with telling(faults, replace(POLICY, parked_most=BOUND)) as driver:
        yield driver


def test_the_whole_story_of_a_key(driver: Driver, faults: Faults) -> None:
    """Retried, parked behind, dead, more behind than are parked; mended, sent back, drained."""
    faults.left, faults.error = {"a": 99}, TransientError
    began = driver.now_us
    send(driver, "k", "a", "b", "c", "d", "e")
    send(driver, "other", "x")
    driver.advance(timedelta(seconds=10))
    assert [(text, (at - began) // 1000) for text, at in faults.attempts if text == "a"] == [
        ("a", 0),
        ("a", 2_000),
        ("a", 6_000),
    ]
    send(driver, "k", "f")
    driver.run()
    head, *behind = letters(driver)
    assert (text_of(head), head.reason, head.attempt) == ("a", "max-retries-exceeded", 3)
    assert [(text_of(letter), letter.sequence) for letter in behind] == [("f", 5)]
    assert told(driver, "other") == ("x",)
    faults.left = {}
    for letter in (head, *behind):
        send_back(driver, letter)
    driver.run()
    send(driver, "k", "g")
    driver.run()
    assert told(driver, "k") == tuple("abcdefg")
    assert sorted(outcomes(driver)) == [("a", "resolved"), ("f", "resolved")]
    assert driver.rows("story", "blocked") == driver.rows("story", "parked") == {}


def test_a_dead_letter_that_comes_back_lets_its_key_go_on(driver: Driver, faults: Faults) -> None:
    faults.left = {"b": 1}
    send(driver, "k", "a", "b", "c", "d")
    driver.run()
    assert told(driver, "k") == ("a",)
    send_back(driver, letters(driver)[0])
    driver.run()
    assert told(driver, "k") == ("a", "b", "c", "d")
    assert outcomes(driver) == [("b", "resolved")]
    assert driver.rows("story", "blocked") == driver.rows("story", "parked") == {}


def test_one_that_dies_again_is_another_letter_and_its_key_stays_blocked(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 2}
    send(driver, "k", "a", "b")
    driver.run()
    send_back(driver, letters(driver)[0])
    driver.run()
    first, second = letters(driver)
    assert (first.redrives, first.previous) == (0, None)
    assert (second.redrives, second.previous, second.run, second.offset) == (1, first.id, "run-1", first.offset)
    assert (outcomes(driver), told(driver, "k")) == ([("a", "dead")], ())
    send_back(driver, second)
    driver.run()
    assert told(driver, "k") == ("a", "b")
    assert outcomes(driver) == [("a", "dead"), ("a", "resolved")]


def test_one_that_fails_for_a_while_goes_through_the_retries_again(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a", "b")
    driver.run()
    faults.left, faults.error = {"a": 2}, TransientError
    send_back(driver, letters(driver)[0])
    driver.run()
    assert (told(driver, "k"), outcomes(driver)) == ((), [])
    driver.advance(timedelta(seconds=7))
    assert (told(driver, "k"), outcomes(driver)) == (("a", "b"), [("a", "resolved")])
    faults.left = {"c": 3}
    send(driver, "k", "c")
    driver.advance(timedelta(seconds=7))
    faults.left = {"c": 3}
    send_back(driver, letters(driver)[-1])
    driver.advance(timedelta(seconds=7))
    assert letters(driver)[-1].previous == letters(driver)[-2].id
    assert outcomes(driver)[-1] == ("c", "dead")


def test_a_letter_that_is_discarded_is_left_out_and_its_key_goes_on(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 9}
    send(driver, "k", "a", "b")
    driver.run()
    send_back(driver, letters(driver)[0], "discard")
    driver.run()
    assert (told(driver, "k"), outcomes(driver)) == (("b",), [("a", "discarded")])
    assert driver.rows("story", "blocked") == {}


def test_a_letter_that_is_not_what_its_key_waits_for_is_returned(driver: Driver, faults: Faults) -> None:
    """Sent twice, or again after it died anew: nothing is done, and it can be sent in its turn."""
    faults.left = {"a": 2, "x": 1}
    send(driver, "k", "a", "b")
    driver.run()
    first = letters(driver)[0]
    send_back(driver, first)
    send_back(driver, first)
    driver.run()
    send_back(driver, first, "discard")
    driver.run()
    assert outcomes(driver) == [("a", "dead"), ("a", "returned"), ("a", "returned")]
    send_back(driver, letters(driver)[-1])
    driver.run()
    send_back(driver, letters(driver)[-1])
    driver.run()
    assert outcomes(driver)[3:] == [("a", "resolved"), ("a", "returned")]
    assert told(driver, "k") == ("a", "b")


def test_an_edited_payload_takes_the_place_of_its_letter(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 9}
    send(driver, "k", "a", "b")
    driver.run()
    send_back(driver, letters(driver)[0], instead="A")
    driver.run()
    assert (told(driver, "k"), outcomes(driver)) == (("A", "b"), [("a", "resolved")])


def test_an_edited_payload_that_dies_says_what_it_was_edited_from(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 9, "A": 1}
    send(driver, "k", "a")
    driver.run()
    send_back(driver, letters(driver)[0], instead="A")
    driver.run()
    first, second = letters(driver)
    assert (text_of(second), second.edited_from, second.previous) == ("A", first.id, first.id)


def test_past_the_bound_later_records_wait_as_letters_in_their_order(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a", "b", "c", "d", "e")
    send(driver, "other", "x")
    driver.run()
    head, *behind = letters(driver)
    assert [(letter.reason, text_of(letter), letter.sequence, letter.head) for letter in behind] == [
        ("parked-behind", "d", 3, f"{SOURCE}:0:0"),
        ("parked-behind", "e", 4, f"{SOURCE}:0:0"),
    ]
    send_back(driver, head)
    driver.run()
    send(driver, "k", "f")
    driver.run()
    assert told(driver, "k") == ("a", "b", "c")
    for letter in behind:
        send_back(driver, letter)
    driver.run()
    assert told(driver, "k") == ("a", "b", "c", "d", "e", "f")
    assert outcomes(driver) == [("a", "resolved"), ("d", "resolved"), ("e", "resolved")]
    assert driver.rows("story", "blocked") == driver.rows("story", "parked") == {}


def test_letters_behind_a_dead_one_come_back_in_their_sequence_only(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a", "b", "c", "d", "e")
    driver.run()
    head, first, second = letters(driver)
    send_back(driver, first)
    driver.run()
    send_back(driver, head)
    send_back(driver, second)
    driver.run()
    assert outcomes(driver) == [("d", "returned"), ("a", "resolved"), ("e", "returned")]
    send_back(driver, first)
    send_back(driver, first)
    send_back(driver, second)
    driver.run()
    assert sorted(outcomes(driver)[3:]) == [("d", "resolved"), ("d", "returned"), ("e", "resolved")]
    assert told(driver, "k") == ("a", "b", "c", "d", "e")


def test_a_letter_behind_may_be_discarded_in_its_turn(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1}
    send(driver, "k", "a", "b", "c", "d", "e")
    driver.run()
    head, first, second = letters(driver)
    send_back(driver, head)
    send_back(driver, first, "discard")
    send_back(driver, second)
    driver.run()
    assert told(driver, "k") == ("a", "b", "c", "e")
    assert sorted(outcomes(driver)) == [("a", "resolved"), ("d", "discarded"), ("e", "resolved")]


def test_a_follower_that_dies_is_the_new_head_of_the_same_chain(driver: Driver, faults: Faults) -> None:
    faults.left = {"a": 1, "c": 1, "d": 1}
    send(driver, "k", "a", "b", "c", "d", "e")
    driver.run()
    head, first, second = letters(driver)
    send_back(driver, head)
    driver.run()
    send_back(driver, letters(driver)[-1])
    for letter in (first, second):
        send_back(driver, letter)
    driver.run()
    send_back(driver, letters(driver)[-1])
    driver.run()
    assert told(driver, "k") == ("a", "b", "c", "d", "e")
    assert driver.rows("story", "blocked") == {}


def test_records_of_several_topics_keep_the_order_in_which_they_were_met(driver: Driver, faults: Faults) -> None:
    """Whether they are parked or letters."""
    faults.left = {"a": 1}
    for text, topic in zip("abcdef", (SOURCE, OTHER_SOURCE) * 3, strict=True):
        send(driver, "k", text, topic=topic)
        driver.run()
    for letter in letters(driver):
        send_back(driver, letter)
    driver.run()
    assert told(driver, "k") == tuple("abcdef")


def test_a_dead_record_that_blocks_nothing_comes_back_once(driver: Driver, faults: Faults) -> None:
    faults.left, faults.error = {"a": 1}, KeyMismatchError
    send(driver, "k", "a", "b")
    driver.run()
    assert told(driver, "k") == ("b",)
    (letter,) = letters(driver)
    for _ in range(2):
        send_back(driver, letter)
    driver.run()
    assert (told(driver, "k"), outcomes(driver)) == (("b", "a"), [("a", "resolved"), ("a", "returned")])
    assert driver.rows("story", "parked") == {}


def test_a_letter_without_a_key_can_be_discarded(driver: Driver) -> None:
    driver.pipe(Output(SOURCE, None, value_of("k", "a")))
    driver.run()
    for _ in range(2):
        send_back(driver, letters(driver)[0], "discard")
    driver.run()
    assert outcomes(driver) == [("a", "discarded"), ("a", "returned")]


def test_where_the_policy_says_so_a_dead_record_does_not_block_its_key(faults: Faults) -> None:
    faults.left = {"a": 1}
    with telling(faults, replace(POLICY, goes_on=True)) as driver:
        send(driver, "k", "a", "b")
        driver.run()
        assert told(driver, "k") == ("b",)
        send_back(driver, letters(driver)[0])
        driver.run()
        assert (told(driver, "k"), outcomes(driver)) == (("b", "a"), [("a", "resolved")])


def test_a_stranger_in_the_redrive_topic_is_a_dead_letter(driver: Driver) -> None:
    driver.pipe(Output(REDRIVE, b"k", b"garbage", [("__orderflow.headers", b"0"), ("__orderflow.action", b"do")]))
    send(driver, "k", "a")
    driver.run()
    assert [letter.value for letter in driver.records(DLQ)] == [b"garbage"]
    assert told(driver, "k") == ("a",)


def test_a_letter_from_behind_a_former_head_is_returned(driver: Driver, faults: Faults) -> None:
    """Though its sequence is just what the key waits for."""
    for head in ("a", "A"):
        faults.left = {head: 1}
        send(driver, "k", head, "b", "c", "d", "e")
        driver.run()
        for letter in letters(driver)[-3:] if head == "a" else letters(driver)[-3:-2]:
            send_back(driver, letter)
        driver.run()
    former = letters(driver)[1]
    assert (text_of(former), former.sequence) == ("d", 3)
    send_back(driver, former)
    driver.run()
    assert outcomes(driver)[-1] == ("d", "returned")
    assert told(driver, "k") == ("a", "b", "c", "d", "e", "A", "b", "c")


def test_a_key_goes_on_draining_after_a_crash(driver: Driver, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "DRAIN_STEP", 1)
    faults.left = {"a": 1}
    send(driver, "k", "a", "b", "c")
    driver.run()
    send_back(driver, letters(driver)[0])
    driver.step()
    assert told(driver, "k") == ("a", "b")
    driver.crash()
    driver.run()
    assert told(driver, "k") == ("a", "b", "c")


def test_a_turn_takes_a_bounded_number_of_what_comes_back(
    driver: Driver, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "TURN_STEP", 3)
    keys = ("k", "l", "m")
    faults.left = {f"{key}1": 1 for key in keys}
    for key in keys:
        send(driver, key, f"{key}1", f"{key}2", f"{key}3")
    driver.run()
    for letter in letters(driver):
        send_back(driver, letter)
    counts = []
    while driver.step():
        counts.append(sum(len(told(driver, key)) for key in keys))
    assert counts[:3] == [3, 6, 9]
