"""The timers of a task: rows that wake a key later, kept in order of their due time."""

import heapq
from collections.abc import Iterator
from typing import Protocol

from app.streaming.table import TableSpec, TaskTable, row_key


class TimerRow(Protocol):
    """What the engine reads of a timer; its type is the rules' own."""

    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def due_at(self) -> int: ...


class Timers:
    """A timer of the same key and name replaces the earlier one. Times are microseconds since the epoch.

    Those with a name of `watching` look at a row, and note at most that they did: a blocked key does not hold them, and
    they are no work to come.
    """

    def __init__(self, table: TaskTable[TimerRow], watching: frozenset[str] = frozenset()) -> None:
        self._table, self._watching = table, watching
        self._queue: list[tuple[int, bytes]] = []
        self._due_at: dict[bytes, int] = {}
        self._looks: set[bytes] = set()
        self._held: dict[bytes, list[TimerRow]] = {}

    def open(self, rows: Iterator[tuple[bytes, TimerRow]]) -> None:
        """Start from the committed rows."""
        self._due_at, self._looks = {}, set()
        for key, timer in rows:
            self._note(key, timer)
        self._queue = [(due_at, key) for key, due_at in self._due_at.items()]
        self._held = {}
        heapq.heapify(self._queue)

    def __len__(self) -> int:
        """How many will do something; those that only look are not counted."""
        return len(self._due_at) - len(self._looks)

    def only_looks(self, timer: TimerRow) -> bool:
        return timer.name in self._watching

    def _note(self, key: bytes, timer: TimerRow) -> None:
        self._due_at[key] = timer.due_at
        if self.only_looks(timer):
            self._looks.add(key)

    def _forget(self, key: bytes) -> bool:
        self._looks.discard(key)
        return self._due_at.pop(key, None) is not None

    def set(self, timer: TimerRow) -> None:
        key = timer_key(timer)
        self._table.put(key, timer)
        self._note(key, timer)
        heapq.heappush(self._queue, (timer.due_at, key))

    def is_set(self, timer: TimerRow) -> bool:
        """Whether exactly this timer still waits: a replaced or deleted one is obsolete."""
        return self._table.get(timer_key(timer)) == timer

    def delete(self, timer: TimerRow) -> None:
        key = timer_key(timer)
        self._table.delete(key)
        self._forget(key)

    def revoke(self, key: str, name: str) -> None:
        """The timer of this name, if it still waits, will not fire."""
        at = row_key((key, name))
        if self._forget(at):
            self._table.delete(at)

    def next_due(self) -> int | None:
        """When the earliest one is due, if there is any."""
        while self._queue and self._due_at.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def take_due(self, until: int, most: int) -> list[TimerRow]:
        """The first timers due at `until` or before, in order; the caller deletes those that fired, and puts back or
        holds the others."""
        taken: list[TimerRow] = []
        while len(taken) < most and (due := self.next_due()) is not None and due <= until:
            first = heapq.heappop(self._queue)
            while self._queue and self._queue[0] == first:  # set twice for the same time
                heapq.heappop(self._queue)
            timer = self._table.get(first[1])
            if timer is not None:
                taken.append(timer)
        return taken

    def put_back(self, timer: TimerRow) -> None:
        """It could not fire just now: it stays due, unless it was replaced or revoked meanwhile."""
        key = timer_key(timer)
        if (due_at := self._due_at.get(key)) is not None:
            heapq.heappush(self._queue, (due_at, key))

    def postpone(self, timer: TimerRow, until: int) -> None:
        """It failed: it fires again then, or at the next start. Its row stays as it is: rules know it by its time."""
        key = timer_key(timer)
        self._due_at[key] = until
        heapq.heappush(self._queue, (until, key))

    def hold(self, timer: TimerRow) -> None:
        """Its key is blocked: it is not due until the key is released."""
        self._held.setdefault(timer.key.encode(), []).append(timer)

    def release(self, key: bytes) -> None:
        """The key is free: what was held for it is due again."""
        for timer in self._held.pop(key, ()):
            self.put_back(timer)


def timer_key(timer: TimerRow) -> bytes:
    return row_key((timer.key, timer.name))


def timer_table(row: type[TimerRow]) -> TableSpec[TimerRow]:
    return TableSpec("timers", row)
