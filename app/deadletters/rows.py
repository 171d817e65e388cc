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
        if record.topic.endswith(REDRIVE_ENDS):
            letter, run, action = read_submission(record)
            self._submissions.append((*place, letter, run, action, record.timestamp_ms))
            self.named.add(letter)
            return
        said = read_letter_topic(record)
        if isinstance(said, Outcome):
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
        if not all(0 <= number < 2**31 for number in (letter.partition, letter.attempt, letter.redrives)):
            raise LetterError(f"{letter.id} holds numbers that no worker writes")
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
        behind = (letter.redrives, letter.previous, letter.sequence, letter.head, letter.left_out)
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


def plain(text: str) -> str:
    """PostgreSQL keeps no zero byte in a text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
