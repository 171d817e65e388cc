"""Fills the index from the topics, each part of a topic in one transaction with the position behind it."""

from collections.abc import Sequence
from typing import LiteralString

from app.deadletters.database import FILLING, Connection
from app.deadletters.feed import Feed, Part, Place
from app.deadletters.rows import Rows
from app.observability.log import logger
from app.serde.registry import SchemaRegistry
from app.streaming.letters import LetterError
from app.streaming.names import dlq_topic, redrive_topic
from app.streaming.record import Record

log = logger(__name__)

LOCK: LiteralString = "select pg_advisory_xact_lock(%s)"
BEGIN: LiteralString = """
insert into dead_letters.positions (topic, partition, next_offset) values (%(topic)s, %(partition)s, %(next)s)
on conflict do nothing
"""
MOVE: LiteralString = """
update dead_letters.positions set next_offset = %(next)s
where topic = %(topic)s and partition = %(partition)s and next_offset = %(begin)s
"""
SETTLE: LiteralString = "select dead_letters.settle(%s)"
POSITIONS: LiteralString = "select topic, partition, next_offset from dead_letters.positions"
EMPTY: LiteralString = """
truncate dead_letters.positions, dead_letters.failures, dead_letters.letters, dead_letters.submissions,
    dead_letters.outcomes
"""


class Index:
    """What the DLQ and redrive topics of `groups` say, as tables. Any number of processes may fill it at once."""

    def __init__(self, connection: Connection, feed: Feed, registry: SchemaRegistry) -> None:
        self._connection, self._feed, self._registry = connection, feed, registry

    def catch_up(self) -> int:
        """Add all that is committed now; how many records that were."""
        ends = self._feed.ends()
        added = 0
        while behind := self._behind(ends):
            for part in self._feed.parts(behind, {place: ends[place] for place in behind}):
                if not self._add(part):
                    break  # another process was here: see how far it came
                added += len(part.records)
        return added

    def empty(self) -> None:
        """Forget what the topics say: `catch_up` finds it again. Notes, campaigns and the audit stay."""
        with self._connection.transaction():
            self._connection.execute(LOCK, (FILLING,))
            self._connection.execute(EMPTY)

    def _behind(self, ends: dict[Place, int]) -> dict[Place, int]:
        rows = self._connection.execute(POSITIONS).fetchall()
        known = {(topic, partition): position for topic, partition, position in rows}
        return {place: known.get(place, 0) for place, end in ends.items() if known.get(place, 0) < end}

    def _add(self, part: Part) -> bool:
        """The part and the position behind it, both or neither; not when the index has moved on meanwhile."""
        topic, partition = part.place
        move = {"topic": topic, "partition": partition, "begin": part.begin, "next": part.next_offset}
        with self._connection.transaction():
            # the lock: what two parts say of one letter is put together by the later one
            self._connection.execute(LOCK, (FILLING,))
            moved = self._connection.execute(MOVE if part.begin else BEGIN, move).rowcount == 1
            if moved:
                self._insert(part.records)
        return moved

    def _insert(self, records: Sequence[Record]) -> None:
        rows = Rows(self._registry)
        for record in records:
            try:
                rows.add(record)
            except LetterError as error:
                log.warning("dead_letters.unreadable", error=str(error))
        with self._connection.cursor() as cursor:
            for statement, lines in rows.statements():
                cursor.executemany(statement, lines)
            cursor.execute(SETTLE, (sorted(rows.named),))


def topics_of(groups: Sequence[str]) -> list[str]:
    """The topics whose records the index holds."""
    return [name(group) for group in groups for name in (dlq_topic, redrive_topic)]
