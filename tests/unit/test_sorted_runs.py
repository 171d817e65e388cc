"""More than memory holds comes back sorted."""

from pathlib import Path

import pytest

from app.eventstore.audit import runs
from app.eventstore.audit.runs import SortedRuns


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
def test_items_come_back_sorted_however_many_runs_they_take(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUN_ITEMS", 10)
    monkeypatch.setattr(runs, "_READ_ITEMS", 3)
    sorted_runs, items = SortedRuns(tmp_path, 4), [(number * 37 % 101).to_bytes(4, "big") for number in range(count)]
    for item in items:
        sorted_runs.add(item)
    assert list(sorted_runs) == sorted(items)
    assert len(list(tmp_path.iterdir())) == count // 10
