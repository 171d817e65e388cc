"""Checks that every event is where it belongs: once, in order, the same in the store and in its topic."""

from collections import Counter
from collections.abc import Iterator

from app.verify.model import ANSWERS, ORDERS, Case, Difference, Event, firsts, ids


def check(case: Case) -> Iterator[Difference]:
    """The differences in the history of one order."""
    if not case.stored and not case.published:
        yield Difference("unknown-order", case.order_id, "an order in the event store", "none", case.event_ids)
    for event in case.stored:
        if event["type"] == "unreadable":
            subject = f"event store {case.order_id} version {event['version']}"
            yield Difference(
                "event-unreadable", subject, "the event that the row names", event["raw"].hex(), ids([event])
            )
    yield from _numbering("event store", case.order_id, case.stored)
    yield from _published(case)
    for topic in ANSWERS:
        events = case.answers.get(topic, [])
        yield from _doubled(topic, case.order_id, events)
        yield from _order(topic, case.order_id, events)
        yield from _numbering(topic, case.order_id, events)


def _published(case: Case) -> Iterator[Difference]:
    yield from _doubled(ORDERS, case.order_id, case.published)
    yield from _order(ORDERS, case.order_id, case.published)
    stored = {event["event_id"]: event for event in case.stored}
    published = {event["event_id"]: event for event in case.published}
    for event_id in stored.keys() - published.keys():
        event = stored[event_id]
        yield Difference("event-missing", _subject(ORDERS, event), "published once", "not in the topic", (event_id,))
    for event_id in published.keys() - stored.keys():
        event = published[event_id]
        yield Difference("event-unknown", _subject(ORDERS, event), "stored", "only in the topic", (event_id,))
    for event_id in published.keys() & stored.keys():
        wanted, found = stored[event_id]["raw"], published[event_id]["raw"]
        if wanted != found:
            subject = _subject(ORDERS, stored[event_id])
            yield Difference("event-bytes", subject, wanted.hex(), found.hex(), (event_id,))


def _doubled(topic: str, order_id: str, events: list[Event]) -> Iterator[Difference]:
    for event_id, times in Counter(ids(events)).items():
        if times > 1:
            yield Difference("event-doubled", f"{topic} {order_id}", "once", f"{times} times", (event_id,))


def _order(topic: str, order_id: str, events: list[Event]) -> Iterator[Difference]:
    versions = [event["version"] for event in firsts(events)]
    if versions != sorted(versions):
        yield Difference("event-order", f"{topic} {order_id}", sorted(versions), versions, ids(events))


def _numbering(place: str, order_id: str, events: list[Event]) -> Iterator[Difference]:
    versions = sorted(event["version"] for event in firsts(events))
    wanted = list(range(1, len(versions) + 1))
    if versions != wanted:
        yield Difference("version-gap", f"{place} {order_id}", wanted, versions, ids(events))


def _subject(topic: str, event: Event) -> str:
    return f"{topic} {event['order_id']} version {event['version']} {event['type']}"
