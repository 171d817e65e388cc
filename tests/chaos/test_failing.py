"""Failures, kills and redrives on real Kafka, in short; `make failures` is the long form."""

from collections.abc import Callable
from pathlib import Path

from tests.chaos.failing import Plan, inversions, run
from tests.engine.log import Log


def test_keys_keep_their_order_through_failures_kills_and_redrives(
    kafka: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    plan = Plan(kind="acting", events=1_000, keys=20, per_second=250, kill_every_s=3.5)
    found = run(Log(kafka), tmp_path, unique("failing"), plan)
    assert (found.inversions, found.lost, found.wrong) == (0, 0, ())
    assert found.letters > 0
    assert found.kills > 0


def test_an_effect_before_that_of_an_earlier_record_is_an_inversion() -> None:
    """One that is done again after a kill is not."""
    assert inversions([("a", 1), ("a", 2), ("a", 1), ("a", 2), ("b", 1)]) == 0
    assert inversions([("a", 2), ("a", 1), ("b", 1)]) == 1
