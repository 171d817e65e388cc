"""Folds the log by plain means, and says where tables, outputs and served rows are not what it says.

The rows of `order-views` are those that `app.verify` expects; those of `tallies` are counts.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from app.streaming.table import key_prefix, row_key
from app.streaming.topology import Topology
from app.verify import changelogs
from app.verify.compare import compare_row, extra_rows
from app.verify.decoding import Decoder
from app.verify.expected import rows
from app.verify.kafka import KafkaReader
from app.verify.model import ORDERS, Case, Event
from app.web.views import VIEWS as ALL_VIEWS
from app.web.views import View
from tests.chaos.seeded import tallies
from topologies import order_views

VIEWS = [view for view in ALL_VIEWS if view.topology == order_views.NAME]
UNUSED = {"raw", "correlation_id", "causation_id", "occurred_at", "fulfilment"}

Table = dict[bytes, bytes]


def log_of(kafka: KafkaReader) -> dict[str, Case]:
    """Every order with its events, as the log has them."""
    decoder, cases = Decoder(), dict[str, Case]()
    for message in kafka.records([ORDERS]):
        event = decoder.decode(ORDERS, message.value())
        assert event is not None
        kept: Event = {name: value for name, value in event.items() if name not in UNUSED}
        cases.setdefault(event["order_id"], Case(order_id=event["order_id"])).stored.append(kept)
    return cases


def acknowledged(cases: Mapping[str, Case], sent: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Each acknowledged event is in the log once, and those of an order are in order."""
    logged = Counter((case.order_id, event["version"]) for case in cases.values() for event in case.stored)
    yield from (f"acknowledged, but not in the log: version {v} of {order}" for order, v in {*sent} - logged.keys())
    yield from (
        f"{times} times in the log: version {v} of {order}" for (order, v), times in logged.items() if times > 1
    )
    for case in cases.values():
        versions = [event["version"] for event in case.stored]
        if versions != sorted(versions):
            yield f"out of order in the log: {case.order_id} {versions}"


def tables(kafka: KafkaReader, topology: Topology) -> dict[str, Table]:
    """The rows that the changelogs of a topology hold, by key."""
    found: dict[str, Table] = {}
    for name in topology.tables:
        rows_of: Table = {}
        for message in kafka.records([topology.changelog(name)]):
            if message.value() is None:
                rows_of.pop(message.key(), None)
            else:
                rows_of[message.key()] = message.value()
        found[name] = rows_of
    return found


def tallied(cases: Mapping[str, Case], held: Mapping[str, Table]) -> Iterator[str]:
    """One row for each order, that counted each of its events and each of its timers once, in order."""
    got = {key.decode(): tallies.TALLIES.decode(row) for key, row in held[tallies.TALLIES.name].items()}
    for order_id in {*cases} | {*got}:
        count = len(cases[order_id].stored) if order_id in cases else 0
        wanted = tallies.Tally(order_id, count, count, count)
        if got.get(order_id) != wanted:
            yield f"tallies: {got.get(order_id)}, not {wanted}"
    for name in ("timers", "blocked", "parked"):
        yield from (f"tallies: {key!r} is left in {name}" for key in held[name])


def counted(cases: Mapping[str, Case], kafka: KafkaReader) -> Iterator[str]:
    """Each order's counts were sent on once, in order."""
    sent: dict[str, list[int]] = {}
    for message in kafka.records([tallies.OUT]):
        sent.setdefault(message.key().decode(), []).append(int(message.value()))
    for order_id in {*cases} | {*sent}:
        wanted = list(range(1, len(cases[order_id].stored) + 1)) if order_id in cases else []
        if sent.get(order_id) != wanted:
            yield f"{tallies.OUT}: {order_id} has {sent.get(order_id)}, not 1 to {len(wanted)}"


def viewed(cases: Mapping[str, Case], held: Mapping[str, Table], paths: set[str]) -> Iterator[str]:
    """Every row of every view, field by field; `paths`: the rows that are there."""
    wanted, show = rows(cases.values()), Shown(held)
    for path, row in wanted.items():
        for found in compare_row(path, row, show(path), cases):
            yield f"{found.subject}: {found.actual}, not {found.expected}"
    yield from (f"{found.subject}: nothing in the log explains it" for found in extra_rows(paths, wanted, set()))
    for name in ("blocked", "parked"):
        yield from (f"{order_views.NAME}: {key!r} is left in {name}" for key in held[name])


class Shown:
    """What a worker would show for a path, from rows by key."""

    def __init__(self, held: Mapping[str, Table]) -> None:
        self._held = held
        self._keys = {view.table: sorted(held[view.table]) for view in VIEWS}

    def __call__(self, path: str) -> Any:
        parts = urlsplit(path)
        for view in VIEWS:
            params = view.match(unquote(parts.path), dict(parse_qsl(parts.query)))
            if params is not None:
                decode = order_views_table(view).decode
                shown = view.render(params, [decode(row) for row in self._rows(view, view.row_key(params))])
                return msgspec.json.decode(msgspec.json.encode(shown))
        return None

    def _rows(self, view: View, key: tuple[str, ...]) -> list[bytes]:
        table, keys = self._held[view.table], self._keys[view.table]
        if not view.scan:
            return [table[row_key(key)]] if row_key(key) in table else []
        prefix, found = key_prefix(key), list[bytes]()
        for at in range(bisect_left(keys, prefix), len(keys)):
            if not keys[at].startswith(prefix):
                break
            found.append(table[keys[at]])
        return found


def order_views_table(view: View) -> Any:
    specs = (order_views.SUMMARIES, order_views.CUSTOMERS, order_views.SALES, order_views.DEMAND)
    return next(spec for spec in specs if spec.name == view.table)


def differences(kafka: KafkaReader, views: Topology, tally: Topology, sent: Iterable[tuple[str, int]]) -> list[str]:
    """All of them, in words."""
    cases, of_tally = log_of(kafka), tables(kafka, tally)
    return [
        *acknowledged(cases, sent),
        *tallied(cases, of_tally),
        *counted(cases, kafka),
        *viewed(cases, tables(kafka, views), {row.path for row in changelogs.read(kafka)}),
    ]
