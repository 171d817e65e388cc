"""Compares what is served with what is expected, row by row, and what the changelogs hold beyond that."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from app.verify.expected import Row
from app.verify.model import Case, Difference

MICROSECOND = 1_000_000


def compare_row(path: str, row: Row, served: Any, cases: Mapping[str, Case]) -> Iterator[Difference]:
    """One difference for each field that is not as expected; `served` None: the view says that there is no such row."""
    if not isinstance(served, dict):
        yield Difference("row-missing", path, row.fields, served, event_ids(row, cases))
        return
    shown = _like(row.fields, served)
    for field, expected in row.fields.items():
        if shown[field] != expected:
            yield Difference("row", f"{path} {field}", expected, shown[field], event_ids(row, cases))


def extra_rows(paths: Iterable[str], rows: Mapping[str, Row], explained: set[str]) -> Iterator[Difference]:
    """Rows of the changelogs that no event explains."""
    for path in sorted(set(paths) - rows.keys() - explained):
        yield Difference("row-extra", path, "no row", "a row in the changelog")


def event_ids(row: Row, cases: Mapping[str, Case]) -> tuple[str, ...]:
    return tuple(event_id for order_id in sorted(row.order_ids) for event_id in cases[order_id].event_ids)


def _like(expected: Any, served: Any) -> Any:
    """What is served, in the shape of what is expected: only its fields, instants as microseconds."""
    match expected, served:
        case dict(), dict():
            shown = {name: _like(wanted, served.get(name)) for name, wanted in expected.items()}
            return shown | {name: _instant(shown[name]) for name in ("placed_at",) if name in shown}
        case [first, *_], list():
            return [_like(first, part) for part in served]
    return served


def _instant(text: Any) -> Any:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text
    return int(moment.timestamp()) * MICROSECOND + moment.microsecond if moment.tzinfo else text
