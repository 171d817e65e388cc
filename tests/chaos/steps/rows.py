"""What the rows of a worker must be, counted from what was sent."""

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tests.engine.log import PARTITIONS
from tests.engine.topologies import Tick, bucket_of
from tests.waiting import until

Get: TypeAlias = Callable[[str], dict[str, Any]]  # path -> answer
Rows: TypeAlias = dict[str, list[Any]]  # by the first field, which is the key in both tables


def unlike(get: Get, sent: Sequence[Tick]) -> list[str]:
    """Where the rows that a worker answers with, from its disk, are others than those of a plain count, key by key."""
    found = []
    for table, wanted in _wanted(sent).items():
        told = shown(get, table)
        found += [
            f"{table}: the worker's row of {key} is {str(told.get(key))[:80]}, not {str(wanted.get(key))[:80]}"
            for key in sorted(wanted.keys() | told.keys())
            if told.get(key) != wanted.get(key)
        ]
    return found


def shown(get: Get, table: str) -> Rows:
    """All rows of a worker that has all tasks."""
    answers = [_answer(get, f"/rows/{table}/{partition}") for partition in range(PARTITIONS)]
    return {row[0]: row for answer in answers for row in answer["rows"]}


def _answer(get: Get, path: str) -> dict[str, Any]:
    """Asked again while it has no rows: a damaged file may be found by this very question, and the store is rebuilt."""
    return until(lambda: answer if "rows" in (answer := get(path)) else {}, f"rows at {path}")


def _wanted(sent: Sequence[Tick]) -> dict[str, Rows]:
    counts, latest = Counter(tick.key for tick in sent), {tick.key: tick for tick in sent}
    totals = Counter(bucket_of(tick.key) for tick in sent)
    return {
        "counts": {key: [key, counts[key], tick.number, 0, _text(tick.row_size)] for key, tick in latest.items()},
        "totals": {bucket: [bucket, total] for bucket, total in totals.items()},
    }


def _text(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()
