"""Keeps the order of a key behind a failed record: which keys are blocked, by what, and what waits behind.

A key is blocked from its failed record (the head) until that record has succeeded and all that came behind it has
followed, in the order in which it came. What waits is parked here or, past the bound of a key that waits for an
operator, is out: a letter in the DLQ topic. Both tables are rows of the task, durable in its checkpoints as any other.
"""

from collections.abc import Iterator

import msgspec

from app.streaming.blocked import Blocked, Follower, Head, Parked
from app.streaming.failures import Attempt, Behind, Redrive
from app.streaming.record import Record
from app.streaming.table import TaskTable


class Parking:
    """`blocked` mirrors the table of blocked keys in memory, so that a batch costs one look at it."""

    def __init__(self, blocked: TaskTable[Blocked], parked: TaskTable[Parked]) -> None:
        self._blocked, self._parked = blocked, parked
        self.blocked: dict[bytes, Blocked] = {}
        self.draining: dict[bytes, None] = {}  # in the order in which they began, so that a simulation can be repeated

    def open(self, rows: Iterator[tuple[bytes, Blocked]]) -> None:
        """Start from the committed rows."""
        self.blocked = dict(rows)
        self.draining = {key: None for key, state in self.blocked.items() if state.is_draining}

    def block(self, key: bytes, record: Record, attempt: int, *, dead: bool = False, redrives: int = 0) -> None:
        """The record failed: it is the key's head now, whatever waits stays behind it."""
        head = Head(record.topic, record.partition, record.offset, attempt, dead, redrives)
        self._set(key, msgspec.structs.replace(self._state(key, record), head=head))

    def park(self, record: Record) -> None:
        """A later record of its key waits for its turn."""
        key = _key(record)
        state = self._state(key, record)
        self._parked.put(_sequence(key, state.next), _parked(record))
        self._set(key, msgspec.structs.replace(state, next=state.next + 1))

    def pass_by(self, record: Record) -> Behind:
        """A later record of its key waits for its turn as a letter: its place, which `take_back` asks for."""
        key = _key(record)
        state = self._state(key, record)
        begin, end = state.out[-1] if state.out else (state.next, state.next)
        before = state.out[:-1] if end == state.next else state.out
        out = (*before, (begin if end == state.next else state.next, state.next + 1))
        self._set(key, msgspec.structs.replace(state, next=state.next + 1, out=out))
        return Behind(state.next + 1, state.root)

    def take_back(self, record: Record, redrive: Redrive, behind: Behind, *, discard: bool) -> bool:
        """A letter is parked again, at its place; not while its key has a dead head, nor before those ahead of it."""
        key = _key(record)
        state, place = self.blocked.get(key), behind.sequence - 1
        if state is None or state.root != behind.head or (state.head is not None and state.head.dead):
            return False
        if not state.out or state.out[0][0] != place:
            return False
        self._parked.put(_sequence(key, place), _parked(record, redrive, discard=discard))
        left = (place + 1, state.out[0][1])
        out = (left, *state.out[1:]) if left[0] < left[1] else state.out[1:]
        self._set(key, msgspec.structs.replace(state, out=out))
        return True

    def is_head(self, record: Record, attempt: Attempt, *, dead: bool = False) -> bool:
        """Whether a record that comes back is what its key waits for; any other one is a repetition.

        A dead head waits for its redrive, which is the first attempt of a new series.
        """
        state = self.blocked.get(_key(record))
        head = None if state is None else state.head
        if head is None or (head.topic, head.partition, head.offset) != (record.topic, record.partition, record.offset):
            return False
        if dead:
            return head.dead and head.redrives == attempt.redrives - 1
        return not head.dead and (head.attempt, head.redrives) == (attempt.number, attempt.redrives)

    def succeeded(self, key: bytes) -> None:
        """The head was handled: what waits follows."""
        state = self.blocked[key]
        if state.first == state.next:
            self._blocked.delete(key)
            del self.blocked[key]
            self.draining.pop(key, None)
        else:
            self._set(key, msgspec.structs.replace(state, head=None))

    def take(self, key: bytes) -> Follower | None:
        """The next record of a draining key, no longer parked; None when the key is not draining."""
        state = self.blocked.get(key)
        if state is None or not state.is_draining:
            return None
        place = _sequence(key, state.first)
        parked = self._parked.get(place)
        if parked is None:
            raise LookupError(f"parked record {state.first} of key {key!r} is gone; restore the task's state")
        self._parked.delete(place)
        self._set(key, msgspec.structs.replace(state, first=state.first + 1))
        record = Record(
            parked.topic, parked.partition, parked.offset, parked.timestamp_ms, key, parked.value, parked.headers
        )
        return Follower(record, Attempt(redrive=parked.redrive), parked.discard)

    def set_aside(self, origin: Record | Head, redrives: int) -> None:
        """The record is dead and blocks nothing: leave a mark, so that one redrive of it is handled."""
        self._parked.put(_mark(origin, redrives), _MARK)

    def dead_heads(self) -> list[tuple[bytes, Head]]:
        """The keys that wait for an operator, and what they wait for."""
        found = [(key, state.head) for key, state in self.blocked.items()]
        return [(key, head) for key, head in found if head is not None and head.dead]

    def pick_up(self, record: Record, redrives: int) -> bool:
        """Whether the record was set aside after so many redrives, and was not picked up since."""
        mark = _mark(record, redrives)
        found = self._parked.get(mark) is not None
        if found:
            self._parked.delete(mark)
        return found

    def counts(self) -> tuple[int, int]:
        """(records parked behind a head in retry, records parked where the key waits for an operator)."""
        waiting = dead = 0
        for state in self.blocked.values():
            if state.waits_for_operator:
                dead += state.parked
            else:
                waiting += state.parked
        return waiting, dead

    def retrying_keys(self) -> int:
        """Keys that wait for a retry."""
        return sum([state.head is not None and not state.head.dead for state in self.blocked.values()])

    def dead_keys(self) -> int:
        """Keys that wait for an operator."""
        return sum([state.waits_for_operator for state in self.blocked.values()])

    def _state(self, key: bytes, record: Record) -> Blocked:
        return self.blocked.get(key) or Blocked(None, root=f"{record.topic}:{record.partition}:{record.offset}")

    def _set(self, key: bytes, state: Blocked) -> None:
        self.blocked[key] = state
        self._blocked.put(key, state)
        if state.is_draining:
            self.draining[key] = None
        else:
            self.draining.pop(key, None)


_MARK = Parked("", 0, 0, 0, None, ())


def _parked(record: Record, redrive: Redrive | None = None, *, discard: bool = False) -> Parked:
    return Parked(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
        record.value,
        record.headers,
        redrive,
        discard,
    )


def _key(record: Record) -> bytes:
    return record.key if record.key is not None else b""


def _sequence(key: bytes, number: int) -> bytes:
    return len(key).to_bytes(4, "big") + key + number.to_bytes(8, "big")


def _mark(origin: Record | Head, redrives: int) -> bytes:
    """No key is as long as its first bytes say."""
    place = f"{origin.topic}:{origin.partition}:{origin.offset}:{redrives}"
    return b"\xff\xff\xff\xff" + place.encode()
