"""Keeps the order of a key behind a failed record: which keys are blocked, by what, and what is parked behind.

A key is blocked from its failed record (the head) until that record has succeeded and all that was parked behind it has
followed. Both tables are rows of the task, durable in its checkpoints like any other.
"""

from collections.abc import Iterator

import msgspec

from app.streaming.record import RECORD_LIMIT, Headers, Record
from app.streaming.table import TableSpec, TaskTable

HEAD_ROOM = 1024


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The failed record: its origin, the attempt it waits for, and whether it is dead."""

    topic: str
    partition: int
    offset: int
    attempt: int
    dead: bool = False


class Blocked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Parked records of the key have the sequence numbers `first` up to but not including `next`.

    Without a head the key is draining: its parked records are being handled, in order.
    """

    head: Head | None
    first: int = 0
    next: int = 0


class Parked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    value: bytes | None
    headers: Headers


BLOCKED = TableSpec("blocked", Blocked, RECORD_LIMIT + HEAD_ROOM)
# many small headers take twice the room that they take in Kafka
PARKED = TableSpec("parked", Parked, 2 * RECORD_LIMIT + HEAD_ROOM)


class Parking:
    """`blocked` mirrors the table of blocked keys in memory, so that a batch costs one look at it."""

    def __init__(self, blocked: TaskTable[Blocked], parked: TaskTable[Parked]) -> None:
        self._blocked, self._parked = blocked, parked
        self.blocked: dict[bytes, Blocked] = {}
        self.draining: set[bytes] = set()

    def open(self, rows: Iterator[tuple[bytes, Blocked]]) -> None:
        """Start from the committed rows."""
        self.blocked = dict(rows)
        self.draining = {key for key, state in self.blocked.items() if state.head is None}

    def block(self, key: bytes, record: Record, attempt: int, *, dead: bool = False) -> None:
        """The record failed: it is the key's head now, whatever is parked stays behind it."""
        head = Head(record.topic, record.partition, record.offset, attempt, dead)
        state = self.blocked.get(key, Blocked(None))
        self._set(key, msgspec.structs.replace(state, head=head))

    def park(self, record: Record) -> None:
        """A later record of its key waits for its turn."""
        key = _key(record)
        state = self.blocked.get(key, Blocked(None))
        parked = Parked(
            record.topic, record.partition, record.offset, record.timestamp_ms, record.value, record.headers
        )
        self._parked.put(_sequence(key, state.next), parked)
        self._set(key, msgspec.structs.replace(state, next=state.next + 1))

    def is_head(self, record: Record, attempt: int) -> bool:
        """Whether a redelivered record is what its key waits for; any other one is a repetition."""
        state = self.blocked.get(_key(record))
        origin = Head(record.topic, record.partition, record.offset, attempt)
        return state is not None and state.head == origin

    def succeeded(self, key: bytes) -> None:
        """The head was handled: what is parked follows."""
        state = self.blocked[key]
        if state.first == state.next:
            self._blocked.delete(key)
            del self.blocked[key]
            self.draining.discard(key)
        else:
            self._set(key, msgspec.structs.replace(state, head=None))

    def take(self, key: bytes) -> Record | None:
        """The next parked record of a draining key, no longer parked; None when the key has a head or is free."""
        state = self.blocked.get(key)
        if state is None or state.head is not None:
            return None
        place = _sequence(key, state.first)
        parked = self._parked.get(place)
        if parked is None:
            raise LookupError(f"parked record {state.first} of key {key!r} is gone; restore the task's state")
        self._parked.delete(place)
        self._set(key, msgspec.structs.replace(state, first=state.first + 1))
        return Record(
            parked.topic, parked.partition, parked.offset, parked.timestamp_ms, key, parked.value, parked.headers
        )

    def counts(self) -> tuple[int, int]:
        """(records parked behind a head in retry, records parked behind a dead head)."""
        waiting = dead = 0
        for state in self.blocked.values():
            if state.head is not None and state.head.dead:
                dead += state.next - state.first
            else:
                waiting += state.next - state.first
        return waiting, dead

    def _set(self, key: bytes, state: Blocked) -> None:
        self.blocked[key] = state
        self._blocked.put(key, state)
        if state.head is None:
            self.draining.add(key)
        else:
            self.draining.discard(key)


def _key(record: Record) -> bytes:
    return record.key if record.key is not None else b""


def _sequence(key: bytes, number: int) -> bytes:
    return len(key).to_bytes(4, "big") + key + number.to_bytes(8, "big")
