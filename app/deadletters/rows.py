"""Turns the records of DLQ and redrive topics into rows of the index."""

from collections.abc import Iterator, Sequence
from typing import LiteralString

import msgspec

from app.deadletters.grouping import Failure, normalised
from app.deadletters.schema import schema_of
from app.serde.registry import SchemaRegistry
from app.streaming.failures import OURS, engine_headers
from app.streaming.letters import Letter, LetterError, Outcome, letter_id, read_letter_topic
from app.streaming.record import Record

FAILURE: LiteralString = """
insert into dead_letters.failures (id, exception, stack, topic, schema, consumer_group)
values (%s, %s, %s, %s, %s, %s) on conflict do nothing
"""
LETTER: LiteralString = """
insert into dead_letters.letters (
    id, dlq_partition, dlq_offset, failure, consumer_group, topic, partition, "offset", key, reason, attempt, exception,
    message, first_failed_at_ms, dead_at_ms, redrives, previous, sequence, head, left_out, content
) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
SUBMISSION: LiteralString = """
insert into dead_letters.submissions (topic, partition, "offset", letter, run, action, at_ms)
values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
OUTCOME: LiteralString = """
insert into dead_letters.outcomes (topic, partition, "offset", letter, run, result, at_ms)
values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
REDRIVE_ENDS = "-redrive"
MOST_NAME = 1_000  # bytes: twice as much is what an index of two of them takes
SMALL, LARGE = range(2**31), range(2**63)
TIMES_MS = range(-1, 253_402_300_800_000)  # of the calendar; -1: a record without


class Rows:
    """Rows of one part of a topic. `named`: the letters of which something was said."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._failures: set[Failure] = set()
        self._letters: list[Sequence[object]] = []
        self._submissions: list[Sequence[object]] = []
        self._outcomes: list[Sequence[object]] = []
        self.named: set[str] = set()

    def add(self, record: Record) -> None:
        """A `LetterError` for a record that none of ours wrote."""
        place = (record.topic, record.partition, record.offset)
        if record.timestamp_ms not in TIMES_MS:
            raise LetterError(f"{letter_id(record)} is of no time that there is")
        if record.topic.endswith(REDRIVE_ENDS):
            letter, run, action = read_submission(record)
            _check_names(record, letter, run)
            self._submissions.append((*place, letter, run, action, record.timestamp_ms))
            self.named.add(letter)
            return
        said = read_letter_topic(record)
        if isinstance(said, Outcome):
            _check_names(record, said.letter, said.run)
            self._outcomes.append((*place, plain(said.letter), plain(said.run), said.result, said.at_ms))
            self.named.add(plain(said.letter))
        else:
            self._add_letter(said, record)

    def statements(self) -> Iterator[tuple[LiteralString, list[Sequence[object]]]]:
        """What to execute, and with which rows."""
        yield FAILURE, [(one.id, one.exception, one.stack, one.topic, one.schema, one.group) for one in self._failures]
        yield LETTER, self._letters
        yield SUBMISSION, self._submissions
        yield OUTCOME, self._outcomes

    def _add_letter(self, letter: Letter, record: Record) -> None:
        _check_numbers(letter)
        _check_names(record, letter.group, letter.topic, letter.head or "")
        failure = Failure(
            exception=plain(letter.exception),
            stack=plain(normalised(letter.stack)),
            topic=plain(letter.topic),
            schema=schema_of(self._registry, letter.topic, letter.value),
            group=plain(letter.group),
        )
        origin = (plain(letter.topic), letter.partition, letter.offset)
        why = (letter.key, plain(letter.reason), letter.attempt, plain(letter.exception), plain(letter.message))
        times = (letter.first_failed_at_ms, letter.dead_at_ms)
        previous, head = (None if text is None else plain(text) for text in (letter.previous, letter.head))
        behind = (letter.redrives, previous, letter.sequence, head, letter.left_out)
        place = (letter.id, record.partition, record.offset, failure.id, plain(letter.group))
        self._letters.append((*place, *origin, *why, *times, *behind, msgspec.msgpack.encode(letter)))
        self._failures.add(failure)
        self.named.add(letter.id)


def read_submission(record: Record) -> tuple[str, str, str]:
    """(letter, run, action) of a record in a redrive topic."""
    try:
        _, ours = engine_headers(record)
        return plain(ours[OURS + "letter"]), plain(ours[OURS + "run"]), plain(ours[OURS + "action"])
    except (KeyError, ValueError) as error:
        raise LetterError(f"{letter_id(record)} was sent by no campaign: {error}") from error


def _check_numbers(letter: Letter) -> None:
    """A `LetterError` where a column, or the calendar, does not take one of them."""
    small = (letter.partition, letter.attempt, letter.redrives)
    large = (letter.offset, letter.sequence or 0, letter.left_out)
    # when the record was made is not shown, and whoever made it may have said anything
    of_a_kind = all(number in SMALL for number in small) and all(number in LARGE for number in large)
    if not of_a_kind or letter.first_failed_at_ms not in TIMES_MS or abs(letter.original_timestamp_ms) not in LARGE:
        raise LetterError(f"{letter.id} holds numbers that no worker writes")


def _check_names(record: Record, *names: str) -> None:
    """A `LetterError` where one is longer than any that there is."""
    if any(len(plain(name).encode()) > MOST_NAME for name in names):
        raise LetterError(f"{letter_id(record)} names what no worker has: it is longer than {MOST_NAME} bytes")


def plain(text: str) -> str:
    """PostgreSQL keeps no zero byte in a text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
