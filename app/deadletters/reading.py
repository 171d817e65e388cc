"""Asks the index: letters, groups of them, the story of a key."""

from collections import defaultdict
from collections.abc import Sequence
from typing import LiteralString

import msgspec
from psycopg.rows import class_row

from app.deadletters.database import Connection
from app.deadletters.errors import NoFailureError, NoLetterError
from app.streaming.letters import Letter

OPEN = ("dead", "redriving")
COLUMNS: LiteralString = """
    l.id, l.failure, l.state, l.consumer_group, l.topic, l.partition, l."offset", l.key, l.reason, l.attempt,
    l.exception, l.message, l.first_failed_at_ms, l.dead_at_ms, l.redrives, l.previous, l.sequence, l.head, l.left_out,
    f.schema
"""
LETTERS: LiteralString = "from dead_letters.letters l join dead_letters.failures f on f.id = l.failure"
WHERE: LiteralString = """
where (%(states)s::text[] is null or l.state = any (%(states)s))
    and (%(failure)s::text is null or l.failure = %(failure)s)
    and (%(consumer_group)s::text is null or l.consumer_group = %(consumer_group)s)
    and (%(key)s::bytea is null or sha256(l.key) = sha256(%(key)s::bytea))
    and (%(reason)s::text is null or l.reason = %(reason)s)
    and (%(letters)s::text[] is null or l.id = any (%(letters)s))
"""
FOLLOWING: LiteralString = """
where l.state = 'dead' and l.head is not null and exists (
    select from dead_letters.letters a
    where a.id = any (%s) and a.consumer_group = l.consumer_group and sha256(a.key) = sha256(l.key)
)
"""
ORDER: LiteralString = "order by l.dead_at_ms, l.consumer_group, l.dlq_partition, l.dlq_offset"
FAILURES: LiteralString = """
select f.id, f.exception, f.stack, f.topic, f.schema, f.consumer_group,
    count(*) filter (where l.state = 'dead') as dead,
    count(*) filter (where l.state = 'redriving') as redriving,
    count(*) filter (where l.state = 'resolved') as resolved,
    count(*) filter (where l.state = 'discarded') as discarded,
    count(*) filter (where l.state = 'replaced') as replaced,
    min(l.dead_at_ms) as first_ms, max(l.dead_at_ms) as last_ms,
    (array_agg(l.message order by l.dead_at_ms desc))[1] as message,
    (select count(*) from dead_letters.notes n where n.about = f.id) as notes
"""
GROUPED: LiteralString = "group by f.id order by 7 desc, 13 desc, f.id"
SENT: LiteralString = """
select letter, run, action, at_ms from dead_letters.submissions where letter = any (%s) order by partition, "offset"
"""
BACK: LiteralString = """
select letter, result, at_ms from dead_letters.outcomes where letter = any (%s) order by partition, "offset"
"""
OPEN_COUNTS: LiteralString = """
select consumer_group, reason, state, count(*), min(dead_at_ms)
from dead_letters.letters where state in ('dead', 'redriving') group by 1, 2, 3
"""
CONTENT: LiteralString = "select content from dead_letters.letters where id = %s"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters; what is None is not asked for."""

    states: tuple[str, ...] | None = None
    failure: str | None = None
    consumer_group: str | None = None
    key: bytes | None = None
    reason: str | None = None
    letters: tuple[str, ...] | None = None

    def parameters(self) -> dict[str, object]:
        values = msgspec.structs.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One letter as the index knows it."""

    id: str
    failure: str
    state: str
    consumer_group: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    reason: str
    attempt: int
    exception: str
    message: str
    first_failed_at_ms: int
    dead_at_ms: int
    redrives: int
    previous: str | None
    sequence: int | None
    head: str | None
    left_out: int
    schema: str


class FailureCount(msgspec.Struct, frozen=True, kw_only=True):
    """A group of letters that died of the same, and how many of them are in which state."""

    id: str
    exception: str
    stack: str
    topic: str
    schema: str
    consumer_group: str
    dead: int
    redriving: int
    resolved: int
    discarded: int
    replaced: int
    first_ms: int
    last_ms: int
    message: str
    notes: int


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a letter was sent by a campaign; `result` is None until its task has committed one."""

    run: str
    action: str
    at_ms: int
    result: str | None
    result_at_ms: int | None


def letters(connection: Connection, asked: Filter, limit: int | None = None) -> list[Entry]:
    """In the order in which they died."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        query: LiteralString = f"select {COLUMNS} {LETTERS} {WHERE} {ORDER} limit %(limit)s"
        return cursor.execute(query, asked.parameters() | {"limit": limit}).fetchall()


def followers(connection: Connection, letter_ids: Sequence[str]) -> list[Entry]:
    """The dead letters of the same keys that wait behind another one."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        query: LiteralString = f"select {COLUMNS} {LETTERS} {FOLLOWING}"
        return cursor.execute(query, (list(letter_ids),)).fetchall()


def failures(connection: Connection, asked: Filter) -> list[FailureCount]:
    """Those with most dead letters first."""
    with connection.cursor(row_factory=class_row(FailureCount)) as cursor:
        query: LiteralString = f"{FAILURES} {LETTERS} {WHERE} {GROUPED}"
        return cursor.execute(query, asked.parameters()).fetchall()


def open_counts(connection: Connection) -> list[tuple[str, str, str, int, int]]:
    """(consumer group, reason, state, how many, when the oldest died in ms) of letters that are dead or under way."""
    return connection.execute(OPEN_COUNTS).fetchall()


def failure(connection: Connection, failure_id: str) -> FailureCount:
    for found in failures(connection, Filter(failure=failure_id)):
        return found
    raise NoFailureError(f"there is no group {failure_id}; `orderflow dlq groups` shows those there are")


def entry(connection: Connection, letter_id: str) -> Entry:
    for found in letters(connection, Filter(letters=(letter_id,))):
        return found
    raise NoLetterError(f"there is no dead letter {letter_id}; `orderflow dlq list` shows those there are")


def content(connection: Connection, letter_id: str) -> Letter:
    """The letter whole."""
    row = connection.execute(CONTENT, (letter_id,)).fetchone()
    if row is None:
        raise NoLetterError(f"there is no dead letter {letter_id}; `orderflow dlq list` shows those there are")
    return msgspec.msgpack.decode(row[0], type=Letter)


def trips(connection: Connection, letter_ids: Sequence[str]) -> dict[str, list[Trip]]:
    """When each of these letters was sent, and what came of it each time; those never sent are left out."""
    back: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for letter, result, at_ms in connection.execute(BACK, (list(letter_ids),)):
        back[letter].append((result, at_ms))
    found: dict[str, list[Trip]] = defaultdict(list)
    for letter, run, action, at_ms in connection.execute(SENT, (list(letter_ids),)):
        # each time that it was sent has one outcome at most, and they come in the same order
        nth = len(found[letter])
        result, result_at_ms = back[letter][nth] if nth < len(back[letter]) else (None, None)
        found[letter].append(Trip(run=run, action=action, at_ms=at_ms, result=result, result_at_ms=result_at_ms))
    return found
