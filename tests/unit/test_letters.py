"""Dead letters there and back: what failed comes out as it went in, however often, and a letter never grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.streaming.failures import (
    KIP,
    OURS,
    STACK_LIMIT,
    TEXT_LIMIT,
    Attempt,
    Behind,
    Delivery,
    Redrive,
    dead_letter,
    read_delivery,
    retry_record,
)
from app.streaming.letters import (
    Letter,
    LetterError,
    Outcome,
    Result,
    outcome_output,
    read_letter,
    read_letter_topic,
    redrive_output,
)
from app.streaming.record import Headers, Output, Record

GROUP = "orderflow-test"
HEADERS_LIMIT = 16 * 1024
HOPS = 20
NOW_MS = 1_767_225_600_000

names = st.text(max_size=12) | st.sampled_from(
    [OURS + "headers", OURS + "reason", OURS + "attempt", KIP + "topic", KIP + "stacktrace", ""]
)
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=12)), max_size=12)
records = st.builds(
    Record,
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(-1, 2**63 - 1),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=200),
    headers,
)
# lone surrogates too: names of files that are no UTF-8 come with them
errors = st.builds(ValueError, st.text(st.characters(exclude_categories=()), max_size=2 * TEXT_LIMIT))


def arrived(output: Output, offset: int = 0) -> Record:
    """The output as it is read back from its topic."""
    return Record(
        output.topic, output.partition, offset, output.timestamp_ms, output.key, output.value, list(output.headers)
    )


def letter_of(record: Record, error: Exception, attempt: Attempt | None = None) -> Letter:
    output = dead_letter(GROUP, record, 3, attempt or Attempt(), error, "non-retryable", NOW_MS)
    return read_letter(arrived(output))


def first(letter: Letter) -> tuple[object, ...]:
    """What a letter says of the record that failed."""
    return letter.topic, letter.partition, letter.offset, letter.key, letter.value, list(letter.headers)


def told(record: Record) -> tuple[object, ...]:
    return record.topic, record.partition, record.offset, record.key, record.value, list(record.headers)


redrives = st.builds(
    Redrive,
    st.just(f"{GROUP}-dlq:3:17"),
    st.just("run-1"),
    st.integers(0, 9),
    st.none() | st.just(f"{GROUP}-dlq:3:5"),
)


def size_of_headers(found: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") for name, value in found)


@given(records, errors, st.builds(Attempt, st.integers(1, 99), st.integers(1, 2**42)))
def test_key_value_and_headers_come_back_byte_for_byte(record: Record, error: Exception, attempt: Attempt) -> None:
    """Whatever they are, and whatever the error says."""
    letter = letter_of(record, error, attempt)
    assert first(letter) == told(record)
    assert (letter.group, letter.reason, letter.exception) == (GROUP, "non-retryable", "builtins.ValueError")
    assert (letter.attempt, letter.first_failed_at_ms, letter.dead_at_ms) == (
        attempt.number,
        attempt.first_failed_at_ms,
        NOW_MS,
    )


@given(records, errors, st.integers(1, HOPS))
def test_no_number_of_retries_letters_and_returns_changes_a_record(record: Record, error: Exception, hops: int) -> None:
    """Each hop takes the record out before it is sent on: nothing nests."""
    back, attempt = record, Attempt()
    sizes = set()
    for hop in range(hops):
        retry = retry_record(GROUP, back, 3, Attempt(1, NOW_MS), 2_000, NOW_MS)
        delivery = read_delivery(arrived(retry))
        back, attempt = delivery.record, delivery.attempt
        assert (told(back), back.timestamp_ms) == (told(record), record.timestamp_ms)
        letter = letter_of(back, error, attempt)
        assert first(letter) == told(record)
        back = replace(back, key=letter.key, value=letter.value, headers=letter.headers)
        sizes.add(size_of_headers(dead_letter(GROUP, back, 3, attempt, error, "non-retryable", NOW_MS + hop).headers))
    assert len(sizes) == 1


def deep(levels: int, message: str) -> None:
    """Raises at the end of a stack of so many frames, in two kinds so that they are not shown as repetitions."""
    if levels == 0:
        raise ValueError(message)
    if levels % 2:
        deep(levels - 1, message)
    else:
        deep(levels - 1, message)


@pytest.mark.parametrize("message", ["short", "\N{GRINNING FACE}" * 10_000, "\ud800" * 10_000])
def test_of_a_long_stack_the_last_frames_are_kept_and_the_headers_stay_small(message: str) -> None:
    record = Record("orders.events", 1, 7, NOW_MS, b"k", b"v", [("h", b"1")])
    with pytest.raises(ValueError) as caught:
        deep(400, message)
    output = dead_letter(GROUP, record, 3, Attempt(6, NOW_MS), caught.value, "max-retries-exceeded", NOW_MS)
    letter = read_letter(arrived(output))
    assert size_of_headers(output.headers) < HEADERS_LIMIT
    assert len(letter.stack.encode()) <= STACK_LIMIT
    assert "raise ValueError(message)" in letter.stack
    assert letter.message == message[:TEXT_LIMIT].encode(errors="backslashreplace").decode()


ends = st.lists(st.tuples(names, st.none() | st.sampled_from([b"0", b"-1", b"5", b"x", b"\xff", b"9" * 5000])))


@given(records, ends)
def test_what_no_worker_wrote_is_a_typed_error_or_a_letter(record: Record, end: list[tuple[str, bytes | None]]) -> None:
    try:
        read_letter_topic(replace(record, headers=[*record.headers, *end]))
    except LetterError:
        return


@given(records, errors, st.none() | redrives, st.none() | st.builds(Behind, st.integers(1, 2**40), st.just("in:3:4")))
def test_a_letter_that_is_sent_back_is_the_record_that_failed(
    record: Record, error: Exception, redrive: Redrive | None, behind: Behind | None
) -> None:
    """It knows the letter that it was, and a letter that it becomes again counts how often."""
    died = dead_letter(GROUP, record, 3, Attempt(6, 11, redrive), error, "non-retryable", NOW_MS, behind)
    letter = read_letter(arrived(died, 18))
    sent = redrive_output(letter, "redrive", "run-2")
    assert (sent.topic, sent.partition, dict(sent.headers)[OURS + "action"]) == (f"{GROUP}-redrive", 3, b"redrive")
    delivery = read_delivery(arrived(sent))
    back, attempt = delivery.record, delivery.attempt
    assert (delivery.action, delivery.behind) == ("redrive", behind)
    assert (told(back), back.timestamp_ms) == (told(record), record.timestamp_ms)
    edited_from = redrive.edited_from if redrive else None
    assert attempt == Attempt(1, 11, Redrive(letter.id, "run-2", redrive.redrives + 1 if redrive else 0, edited_from))
    assert (letter.previous, letter.run) == ((redrive.letter, redrive.run) if redrive else (None, None))
    assert (letter.sequence, letter.head) == ((behind.sequence, behind.head) if behind else (None, None))
    again = read_delivery(arrived(retry_record(GROUP, back, 3, attempt, 2_000, NOW_MS)))
    assert again == Delivery(back, replace(attempt, number=2))


@given(redrives, st.sampled_from(["resolved", "discarded", "dead", "returned"]), st.none() | st.binary(max_size=9))
def test_an_outcome_names_the_letter_and_what_became_of_it(redrive: Redrive, result: Result, key: bytes | None) -> None:
    output = outcome_output(GROUP, redrive, result, key, 3, NOW_MS)
    assert output.value is None
    assert read_letter_topic(arrived(output, 19)) == Outcome(
        id=f"{GROUP}-dlq:3:19",
        letter=redrive.letter,
        result=result,
        run=redrive.run,
        at_ms=NOW_MS,
        key=key,
        group=GROUP,
    )


@given(records, errors)
def test_a_letter_whose_own_headers_look_like_an_outcome_is_a_letter(record: Record, error: Exception) -> None:
    outcome = outcome_output(GROUP, Redrive("x", "y", 0), "resolved", None, 3, 0)
    forging = replace(record, headers=[*outcome.headers, *record.headers])
    died = dead_letter(GROUP, forging, 3, Attempt(), error, "non-retryable", NOW_MS)
    assert read_letter_topic(arrived(died)) == read_letter(arrived(died))


def test_an_outcome_that_no_worker_wrote_is_told_apart() -> None:
    outcome = arrived(outcome_output(GROUP, Redrive("x", "y", 0), "resolved", None, 3, 0))
    for headers in (outcome.headers[:1], [(OURS + "outcome", b"vanished"), *outcome.headers[1:]]):
        with pytest.raises(LetterError, match="no outcome"):
            read_letter_topic(replace(outcome, headers=headers))
