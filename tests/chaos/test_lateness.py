"""Retries with a thousand of them waiting. How late they come is measured by `python -m tests.chaos.lateness`."""

from collections.abc import Callable
from pathlib import Path

from tests.chaos.lateness import KEYS, SESSION_S, measure
from tests.engine.log import PARTITIONS, Log

DELAYS_MS = (1_000, int(SESSION_S * 1_000))


def test_none_of_a_thousand_retries_is_early_and_the_worker_stays_a_member(
    kafka: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """One delay is as long as its session."""
    found = measure(Log(kafka), tmp_path, unique("lateness"), DELAYS_MS)
    assert (found.attempts, found.early) == (len(DELAYS_MS) * KEYS, 0)
    assert (found.joined, found.lost) == (PARTITIONS, 0)
