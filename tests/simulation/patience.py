"""Finds orders that a saga gave up for a reply that was there in time: a timer had fired before what lay in a topic."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TypeAlias

from app.domain.fulfilment_saga import DEADLINE, FULFILMENT_V1
from app.sagas import machine
from app.sagas.definition import Ask
from app.streaming.record import Record
from app.verify.model import Case, Difference, Event, ids

Published: TypeAlias = dict[str, int]  # event id -> ms of its first record


def given_up_too_early(cases: Iterable[Case], replies: Iterable[Record]) -> Iterator[Difference]:
    """Told from what stands in the topics: when a step was asked for, and when its answer came there. That may be long
    after it occurred: a service that dies publishes it in its next life."""
    published: Published = {}
    for record in replies:
        published.setdefault((dict(record.headers)["ce_id"] or b"").decode(), record.timestamp_ms)
    for case in cases:
        if case.orchestrated and case.outcomes == ["cancelled"]:
            yield from _answered_in_time(case, case.stored[-1]["reason"], published)


def _answered_in_time(case: Case, reason: str, published: Published) -> Iterator[Difference]:
    for step in FULFILMENT_V1.steps:
        if step.do is None:
            continue
        if reason == f"{step.name}: {machine.NO_REPLY}":
            yield from _before(case, _events(case, step.do.command)[-1], step.do.timeout, step.do, published)
        if reason == machine.DEADLINE and step.name == "delivery":
            yield from _before(case, _events(case, "ReservePayment")[0], DEADLINE, step.do, published)


def _before(case: Case, asked: Event, limit: timedelta, ask: Ask, published: Published) -> Iterator[Difference]:
    due_ms = (asked["occurred_at"] + limit // timedelta(microseconds=1)) // 1000
    for reply in _events(case, *ask.done):
        if published[reply["event_id"]] < due_ms:
            subject = f"{case.order_id} {asked['type']}"
            yield Difference("timer-before-reply", subject, "the reply is read first", "given up", ids([asked, reply]))


def _events(case: Case, *types: str) -> list[Event]:
    """Those of the services and the saga, in the order of their versions."""
    return [event for events in case.answers.values() for event in events if event["type"] in types]
