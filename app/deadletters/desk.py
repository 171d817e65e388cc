"""Where an operator's work begins: the index of all topologies, brought up to date."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from app.deadletters import audit, keys, reading, shown
from app.deadletters.alone import alone
from app.deadletters.database import Connection, connect
from app.deadletters.feed import Feed
from app.deadletters.index import Index, topics_of
from app.deadletters.reading import Filter
from app.serde.registry import SchemaRegistry

LETTERS_SHOWN = 1_000


class Desk(msgspec.Struct, frozen=True):
    """What the index says, for who has a connection to it."""

    connection: Connection
    registry: SchemaRegistry

    def envelope(self, letter_id: str) -> dict[str, object]:
        """One letter whole, with what was noted of it and of its group; `NoLetterError`."""
        entry = reading.entry(self.connection, letter_id)
        letter = reading.content(self.connection, letter_id)
        notes = audit.notes(self.connection, [letter_id, entry.failure])
        sent = reading.trips(self.connection, [letter_id]).get(letter_id, [])
        return shown.envelope(entry, letter, sent, notes, self.registry)

    def key(self, key: bytes) -> dict[str, object]:
        """What is dead of a key and what waits behind it, by consumer group."""
        found = reading.letters(self.connection, Filter(key=key))
        trips = reading.trips(self.connection, [entry.id for entry in found])
        stories = [shown.story(entry, trips.get(entry.id, [])) for entry in found]
        return {
            "key": keys.shown(key),
            "dead": [one for one in stories if one["behind"] is None],
            "chain": sorted((one for one in stories if one["behind"] is not None), key=_in_sequence),
        }

    def failure(self, failure_id: str) -> dict[str, object]:
        """A group with its notes and its oldest open letters, `LETTERS_SHOWN` at most; `NoFailureError`."""
        found = reading.failure(self.connection, failure_id)
        letters = reading.letters(self.connection, Filter(failure=failure_id, states=reading.OPEN), LETTERS_SHOWN)
        return {
            "group": shown.failure(found),
            "notes": [shown.note(one) for one in audit.notes(self.connection, [failure_id])],
            "letters": [shown.summary(entry) for entry in letters],
        }

    def note(self, who: str, about: str, text: str) -> None:
        """Add a note about a letter or a group; a `RefusedError` when there is neither."""
        if ":" in about:
            reading.entry(self.connection, about)
        else:
            reading.failure(self.connection, about)
        audit.note(self.connection, who, about, text)


class FilledDesk(Desk, frozen=True):
    """What the index says, and the index, to be filled further."""

    index: Index
    groups: Sequence[str]

    def rebuild(self, who: str) -> int:
        """Make the index anew; how many records it is made from.

        No campaign runs meanwhile: half an index does not know what was sent.
        """
        with alone(self.connection, self.groups):
            audit.record(self.connection, who, "rebuild", [])
            self.index.empty()
            return self.index.catch_up()


@contextmanager
def desk(kafka: str, dsn: str, groups: Sequence[str], registry: SchemaRegistry) -> Iterator[FilledDesk]:
    """The index as the topics are now."""
    with connect(dsn) as connection, closing(Feed(kafka, topics_of(groups))) as feed:
        index = Index(connection, feed, registry)
        index.catch_up()
        yield FilledDesk(connection, registry, index, groups)


def _in_sequence(story: dict[str, object]) -> tuple[str, str, int]:
    sequence = story["sequence"]
    return str(story["group"]), str(story["behind"]), sequence if isinstance(sequence, int) else 0
