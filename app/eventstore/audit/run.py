"""Audits a topic against the store, and repairs what can be repaired. Blocks; memory does not grow with the store."""

import heapq
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from app.domain.events import Event
from app.eventstore.audit.compare import Finding, Judged, Seen, judge
from app.eventstore.audit.published import Topic
from app.eventstore.audit.repair import Repair
from app.eventstore.audit.stored import Snapshot, Stream

SHOWN = 1_000
TELL_EVERY = 500

Decode: TypeAlias = Callable[[bytes | None], Event]
# what is being done, how far it is, and of how much
Progress: TypeAlias = Callable[[str, int, int], None]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What stands when the audit ends: `found` counts the wrongs of each kind, `findings` are the first of them.

    `unpublished`: orders with events that are yet to be published; `strays`: records that are no events. Of a repair,
    `republished` counts events and `voided` records.
    """

    topic: str
    orders: int
    events: int
    records: int
    unpublished: int
    strays: int
    found: dict[str, int]
    findings: list[Finding]
    republished: int = 0
    voided: int = 0
    seconds: float

    @property
    def clean(self) -> bool:
        return not self.found


class Audit:
    """Of one topic; `decode` reads its values."""

    def __init__(self, dsn: str, kafka: str, topic: str, decode: Decode, progress: Progress) -> None:
        self._dsn, self._kafka, self._topic = dsn, kafka, topic
        self._decode, self._progress = decode, progress

    def look(self) -> Report:
        """Changes nothing."""
        return self._pass(None)

    def repair(self) -> Report:
        """Republishes what is lacking, waits until it is in the topic, then notes what that has made good."""
        begin = time.monotonic()
        with Repair(self._dsn, self._topic, self._decode) as repair:
            # an earlier repair may have been cut short
            report = self._pass_when_published(repair)
            if repair.republished:
                report = self._pass_when_published(repair)
        return msgspec.structs.replace(
            report,
            republished=repair.republished,
            voided=repair.voided,
            seconds=round(time.monotonic() - begin, 3),
        )

    def _pass_when_published(self, repair: Repair) -> Report:
        self._progress("waiting for the relay", 0, 0)
        repair.wait()
        return self._pass(repair)

    def _pass(self, repair: Repair | None) -> Report:
        begin = time.monotonic()
        # what the snapshot says is published is in the topic by the time when its ends are asked for
        with Snapshot(self._dsn, self._decode) as store, tempfile.TemporaryDirectory() as directory:
            topic = Topic(self._kafka, self._topic, self._decode, Path(directory))
            topic.read(store.void(self._topic), lambda done: self._progress("reading the topic", done, topic.length))
            look = _Look(store, topic, repair)
            for number, (stream, seen) in enumerate(_by_order(store.orders(), topic.orders())):
                look.at(stream, seen)
                if number % TELL_EVERY == 0:
                    self._progress("comparing with the store", look.events, store.events)
            self._progress("comparing with the store", store.events, store.events)
            if repair is not None:
                repair.flush()
            return look.report(self._topic, time.monotonic() - begin)


class _Look:
    """Takes one order after the other, and mends it where there is a `repair`."""

    def __init__(self, store: Snapshot, topic: Topic, repair: Repair | None) -> None:
        self._store, self._topic, self._repair = store, topic, repair
        self._found: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._orders = self._unpublished = self._strays = self.events = 0

    def at(self, stream: Stream, seen: list[Seen]) -> None:
        self._orders += bool(stream.events)
        self.events += len(stream.events)
        self._unpublished += stream.pending_from is not None
        judged = self._judged(stream, seen)
        if self._repair is not None and judged.void:
            self._repair.void(judged.void)
            void = {(record.partition, record.offset) for record in judged.void}
            judged = self._judged(stream, [record for record in seen if (record.partition, record.offset) not in void])
        elif self._repair is not None and judged.lacks_from is not None and _is_readable(stream):
            self._repair.republish(stream.order_id, judged.lacks_from)
        self._strays += judged.strays
        for finding in judged.findings:
            if not self._is_newer(finding):
                self._found[finding.wrong] += 1
                self._findings += [finding] if len(self._findings) < SHOWN else []

    def _judged(self, stream: Stream, seen: list[Seen]) -> Judged:
        home = self._topic.home(stream.order_id)
        return judge(stream.order_id, stream.events, stream.pending_from, seen, home)

    def _is_newer(self, finding: Finding) -> bool:
        """Whether its event was appended after the snapshot was taken, and published before the topic was read."""
        return finding.wrong == "unknown" and self._store.has_by_now(finding.order_id, finding.event_id)

    def report(self, topic: str, seconds: float) -> Report:
        return Report(
            topic=topic,
            orders=self._orders,
            events=self.events,
            records=self._topic.records,
            unpublished=self._unpublished,
            strays=self._strays + self._topic.strays,
            found=dict(self._found),
            findings=self._findings,
            seconds=round(seconds, 3),
        )


def _is_readable(stream: Stream) -> bool:
    """An event that cannot be read has no headers: what becomes of its order, a person has to say."""
    return all(event.digest is not None for event in stream.events)


def _by_order(
    streams: Iterable[Stream], records: Iterable[tuple[UUID, list[Seen]]]
) -> Iterator[tuple[Stream, list[Seen]]]:
    """Both of each order, or the one that there is; they come sorted by order."""
    parts: Iterator[tuple[UUID, Any]] = heapq.merge(
        ((stream.order_id, stream) for stream in streams), records, key=lambda part: part[0]
    )
    for order_id, of_order in groupby(parts, key=lambda part: part[0]):
        stream, seen = Stream(order_id, [], None), []
        for _, part in of_order:
            if isinstance(part, Stream):
                stream = part
            else:
                seen = part
        yield stream, seen
