"""Judges one order: what its records in the topic have wrong, and whether a reader of them had the whole stream."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal
from uuid import UUID

import msgspec

Wrong = Literal["missing", "doubled", "reordered", "corrupted", "misplaced", "unknown", "unreadable"]


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An event of the store. `digest` is that of the record it must have become; None: no event can be read from it."""

    version: int
    event_id: UUID
    digest: bytes | None


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A record of the topic. `named` and `read` are the event ids in its header and in its value, zero where none is.

    `readable`: the value is an event, under the key of its order.
    """

    order_id: UUID
    partition: int
    offset: int
    named: UUID
    read: UUID
    digest: bytes
    readable: bool


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wrong. `partition` and `offset` are of the record that shows it: what is missing in the topic, or cannot be
    read in the store, has none. `unknown` is an event that the store does not have."""

    wrong: Wrong
    order_id: str
    event_id: str
    version: int | None = None
    partition: int | None = None
    offset: int | None = None


class Judged(msgspec.Struct, frozen=True):
    """`lacks_from`: the version from which on a reader who takes each version after the one before lacks the stream.

    `void`: where it lacks nothing, the records that such a reader has no use for, and what is wrong with each.
    `strays`: how many records are no events at all; every reader sets those aside.
    """

    findings: list[Finding]
    lacks_from: int | None
    void: list[Finding]
    strays: int


def judge(
    order_id: UUID, stored: Sequence[Stored], pending_from: int | None, seen: Sequence[Seen], home: int
) -> Judged:
    """`stored` by version; `seen` by place; events from `pending_from` on are yet to be published; `home` is the
    partition where the order belongs."""
    order = _Order(order_id, stored, home)
    findings = [finding for record in seen if (finding := order.take(record)) is not None]
    due = [event for event in stored if pending_from is None or event.version < pending_from]
    findings += [*order.missing(due), *order.unreadable()]
    lacks_from = due[order.taken].version if order.taken < len(due) else None
    return Judged(findings, lacks_from, order.void if lacks_from is None else [], order.strays)


class _Order:
    """Takes the records of an order one after the other. `taken`: how many events a reader has, each after the last."""

    def __init__(self, order_id: UUID, stored: Sequence[Stored], home: int) -> None:
        self._order_id, self._stored, self._home = str(order_id), stored, home
        self._by_id = {event.event_id: event for event in stored}
        self._intact: set[int] = set()
        self._damaged: set[int] = set()
        self._newest = 0
        self.taken = self.strays = 0
        self.void: list[Finding] = []

    def take(self, record: Seen) -> Finding | None:
        """What is wrong with the record, seen after those before it."""
        event = self._by_id.get(record.named) or self._by_id.get(record.read)
        if event is not None:
            return self._take(record, event)
        if record.readable:
            return self._finding("unknown", record, None)
        self.strays += 1
        return None

    def _take(self, record: Seen, event: Stored) -> Finding | None:
        wrong = self._wrong(record, event)
        is_next = self.taken < len(self._stored) and event is self._stored[self.taken]
        if is_next and wrong not in {"corrupted", "misplaced"}:
            self.taken += 1
        else:
            self.void.append(self._finding(wrong or "reordered", record, event))
        return self._finding(wrong, record, event) if wrong else None

    def _wrong(self, record: Seen, event: Stored) -> Wrong | None:
        if event.digest not in {None, record.digest}:
            self._damaged.add(event.version)
            return "corrupted"
        if record.partition != self._home:
            self._damaged.add(event.version)
            return "misplaced"
        if event.version in self._intact:
            return "doubled"
        self._intact.add(event.version)
        if event.version < self._newest:
            return "reordered"
        self._newest = event.version
        return None

    def missing(self, due: Iterable[Stored]) -> Iterator[Finding]:
        """The events of these that no record is of, not even a damaged one."""
        for event in due:
            if event.version not in self._intact | self._damaged:
                yield self._of_event("missing", event)

    def unreadable(self) -> Iterator[Finding]:
        """The events of the store that are none."""
        return (self._of_event("unreadable", event) for event in self._stored if event.digest is None)

    def _of_event(self, wrong: Wrong, event: Stored) -> Finding:
        return Finding(wrong=wrong, order_id=self._order_id, version=event.version, event_id=str(event.event_id))

    def _finding(self, wrong: Wrong, record: Seen, event: Stored | None) -> Finding:
        return Finding(
            wrong=wrong,
            order_id=self._order_id,
            version=event.version if event else None,
            event_id=str(event.event_id if event else record.read),
            partition=record.partition,
            offset=record.offset,
        )
