"""Where a failed record goes and what it carries there: nothing of it is lost on the way and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.errors import PermanentError, PoisonError, TransientError
from app.streaming.errors import KeyMismatchError, NoKeyError, RetryRecordError
from app.streaming.failures import KIP, OURS, Attempt, Delivery, dead_letter, read_delivery, retry_record
from app.streaming.letters import read_letter
from app.streaming.policy import DeadLetter, FailurePolicy, Retry, decide
from app.streaming.record import RECORD_LIMIT, Output, Record, size_of

GROUP = "orderflow-test"
POLICY = FailurePolicy((2_000, 4_000))

headers = st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=9)), max_size=6)
# names that the engine's own headers have, with values of a stranger
forged = st.lists(
    st.tuples(
        st.sampled_from([OURS + "headers", OURS + "topic", OURS + "attempt", KIP + "topic"]), st.binary(max_size=3)
    ),
    max_size=4,
)
records = st.builds(
    Record,
    st.sampled_from(["orders.events", "payments.events"]),
    st.integers(0, 3),
    st.integers(0, 2**40),
    st.integers(0, 2**42),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=50),
    st.builds(list.__add__, headers, forged),
)


def record(value: bytes = b"v", key: bytes = b"k") -> Record:
    return Record("orders.events", 1, 7, 99, key, value, [("h", b"1")])


def arrived(output: Output, offset: int = 5) -> Record:
    """The output as it is read back from its topic."""
    at_ms = output.timestamp_ms
    return Record(output.topic, output.partition, offset, at_ms, output.key, output.value, list(output.headers))


@given(records, st.integers(1, 9), st.integers(0, 2**42))
def test_a_retry_comes_back_as_the_record_that_it_was(first: Record, number: int, now_ms: int) -> None:
    """Also when its own headers look like ours."""
    output = retry_record(GROUP, first, 2, Attempt(number, 11), 4_000, now_ms)
    assert (output.topic, output.partition) == (f"{GROUP}-retry-4000", 2)
    assert read_delivery(arrived(output)) == Delivery(first, Attempt(number + 1, 11))


@given(records, st.integers(1, 9), st.integers(0, 2**42))
def test_a_letter_shows_the_record_as_it_came(first: Record, number: int, now_ms: int) -> None:
    output = dead_letter(GROUP, first, 2, Attempt(number, 11), ValueError("no"), "non-retryable", now_ms)
    letter = read_letter(arrived(output))
    assert (letter.key, letter.value, list(letter.headers)) == (first.key, first.value, list(first.headers))
    assert (letter.topic, letter.partition, letter.offset) == (first.topic, first.partition, first.offset)
    assert (letter.attempt, letter.exception, letter.message) == (number, "builtins.ValueError", "no")


@given(records)
def test_a_stranger_in_a_retry_topic_is_told_apart(stranger: Record) -> None:
    """Whatever it carries: the answer is a typed error or a record, never another exception."""
    try:
        read_delivery(stranger)
    except RetryRecordError:
        return


@pytest.mark.parametrize(
    ("error", "attempt", "action"),
    [
        (TransientError("x"), 1, Retry(2_000)),
        (TransientError("x"), 2, Retry(4_000)),
        (TransientError("x"), 3, DeadLetter("max-retries-exceeded", blocks=True)),
        (PermanentError("x"), 1, DeadLetter("non-retryable", blocks=True)),
        (PoisonError("x"), 1, DeadLetter("non-retryable", blocks=True)),
        (ZeroDivisionError("x"), 1, DeadLetter("non-retryable", blocks=True)),
        (NoKeyError("x"), 1, DeadLetter("non-retryable", blocks=False)),
        (KeyMismatchError("x"), 1, DeadLetter("non-retryable", blocks=False)),
        (RetryRecordError("x"), 1, DeadLetter("non-retryable", blocks=False)),
    ],
)
def test_an_error_decides_where_its_record_goes(error: Exception, attempt: int, action: Retry | DeadLetter) -> None:
    assert decide(record(), error, attempt, POLICY) == action


def test_a_source_may_have_delays_of_its_own() -> None:
    policy = replace(POLICY, by_topic={"payments.events": (50,)})
    of_payments = replace(record(), topic="payments.events")
    assert decide(of_payments, TransientError("x"), 1, policy) == Retry(50)
    assert decide(of_payments, TransientError("x"), 2, policy) == DeadLetter("max-retries-exceeded", blocks=True)
    assert decide(record(), TransientError("x"), 2, policy) == Retry(4_000)
    assert policy.all_delays() == (50, 2_000, 4_000)


def test_where_keys_go_on_no_dead_letter_blocks() -> None:
    policy = replace(POLICY, goes_on=True)
    for error, attempt in ((TransientError("x"), 3), (PermanentError("x"), 1)):
        action = decide(record(), error, attempt, policy)
        assert isinstance(action, DeadLetter)
        assert not action.blocks
    assert decide(record(), TransientError("x"), 1, policy) == Retry(2_000)


def test_a_record_larger_than_topics_take_is_not_retried() -> None:
    """It came compressed: its letter leaves out what does not fit, and says how much and where that lies."""
    large = record(bytes(RECORD_LIMIT))
    assert decide(large, TransientError("x"), 1, POLICY) == DeadLetter("non-retryable", blocks=True)
    output = dead_letter(GROUP, large, 1, Attempt(), TransientError("x"), "non-retryable", 0)
    left_out = int(dict(output.headers)[OURS + "left.out"] or b"")
    letter = read_letter(arrived(output))
    assert (letter.key, letter.value, list(letter.headers), letter.offset) == (b"k", None, [], 7)
    assert left_out == size_of(large) - len(b"k")


def test_a_key_larger_than_topics_take_blocks_nothing() -> None:
    large = record(key=bytes(RECORD_LIMIT + 1))
    assert decide(large, PermanentError("x"), 1, POLICY) == DeadLetter("non-retryable", blocks=False)
    output = dead_letter(GROUP, large, 1, Attempt(), PermanentError("x"), "non-retryable", 0)
    assert size_of(output) < RECORD_LIMIT
    assert output.key is None
