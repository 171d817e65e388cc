"""The parts of `make kills`: its plan, the damage to files, how a process dies, and what rows are held against."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.steps.files import Disk
from tests.chaos.steps.plan import DAMAGE, KEEP, WIPE, plan
from tests.chaos.steps.rows import Get, unlike
from tests.engine.log import ticks
from tests.engine.points import LATE, POINTS
from tests.engine.topologies import bucket_of
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
DYING = """
import sys
from pathlib import Path
from tests.engine import points

note, seconds, count = sys.argv[1:]
points.AMID_S = float(seconds)
commit = points.Death("commit.amid", 2, Path(note)).around("commit", lambda count: sum(range(count)))
commit(1)
commit(int(count))
"""
FOR_EVER = 10**11


def test_a_plan_hits_each_point_as_often_as_any_other() -> None:
    planned = Counter(kill.point for kill in plan(1, 5 * (len(POINTS) + 1)))
    assert {planned[point] for point in POINTS} == {5}
    assert plan(1, 50) == plan(1, 50) != plan(2, 50)


def test_a_plan_of_200_kills_damages_20_files() -> None:
    assert Counter(kill.disk for kill in plan(1, 200)) == {KEEP: 140, DAMAGE: 20, WIPE: 40}


def test_a_file_that_is_not_there_is_damaged_at_a_later_death(tmp_path: Path) -> None:
    store = tmp_path / "a" / "steps-0"
    disk = Disk(tmp_path / "a", "steps-?", seed=1)
    for fate in (DAMAGE, KEEP):
        disk.befall(fate)
    assert (disk.due, disk.damaged) == (1, {})
    store.mkdir(parents=True)
    (store / "000007.sst").write_bytes(bytes(1000))
    disk.befall(KEEP)
    assert (disk.due, disk.damaged) == (0, {"*.sst": 1})
    assert not (store / "000007.sst").exists() or (store / "000007.sst").read_bytes() != bytes(1000)


@pytest.mark.parametrize(
    ("seconds", "count", "noted", "by"),
    [(0.001, FOR_EVER, "commit.amid", signal.SIGALRM), (60, 1, LATE, signal.SIGKILL)],
)
def test_a_process_dies_amid_the_call_though_it_keeps_the_interpreter(
    tmp_path: Path, seconds: float, count: int, noted: str, by: signal.Signals
) -> None:
    """And as soon as the call has returned, if that is sooner, which is noted."""
    note = tmp_path / "died_at"
    command = [sys.executable, "-c", DYING, str(note), str(seconds), str(count)]
    assert subprocess.run(command, cwd=ROOT, timeout=PATIENCE_S, check=False).returncode == -by
    assert note.read_text() == noted


def served(**changed: list[Any]) -> Get:
    """The rows of two ticks for each of two keys, those of one partition; and some that are not as they should be."""
    rows: dict[str, dict[str, list[Any]]] = {
        "counts": {f"key-{n}": [f"key-{n}", 2, 2, 0, ""] for n in range(2)},
        "totals": {bucket_of(f"key-{n}"): [bucket_of(f"key-{n}"), 2] for n in range(2)},
    }

    def get(path: str) -> dict[str, Any]:
        _, _, table, partition = path.split("/")
        shown = rows[table] | (changed if table == "counts" else {})
        return {"rows": [*shown.values()] if partition == "1" else []}

    return get


def test_rows_that_equal_the_count_differ_in_nothing() -> None:
    assert unlike(served(), ticks(2, 2)) == []


def test_a_row_that_is_wrong_or_too_many_is_found() -> None:
    get = served(**{"key-0": ["key-0", 3, 2, 0, ""], "key-9": ["key-9", 1, 1, 0, ""]})
    assert [found.split(" is ")[0] for found in unlike(get, ticks(2, 2))] == [
        "counts: the worker's row of key-0",
        "counts: the worker's row of key-9",
    ]


def test_a_row_that_is_missing_is_found() -> None:
    assert len(unlike(served(), ticks(3, 2))) == 2


def test_rows_that_are_being_rebuilt_are_asked_for_again() -> None:
    answers = iter([{"code": "NOT_ACTIVE"}])
    assert unlike(lambda path: next(answers, None) or served()(path), ticks(2, 2)) == []
