"""When a checkpoint is due: for what somebody waits for, for the rest, and on a busy machine."""

from typing import get_args

import pytest

from app.streaming.kafka.pace import FULL_S, QUIET_S, SOONEST_S, UNHURRIED_S, Standing, due_in_s
from app.streaming.topology import Awaited

INTERVAL_S = 0.1


def _standing(**known: float | bool) -> Standing:
    nothing = {"outputs": False, "rows": False, "positions": True, "is_full": False}
    return Standing(**nothing | {"since_s": 0.0, "quiet_s": 0.0, "commit_s": 0.0} | known)  # type: ignore[arg-type]


def _due_in_s(awaited: Awaited, task: Standing) -> float:
    return due_in_s(awaited, task, INTERVAL_S, catching_up=False)


@pytest.mark.parametrize("awaited", get_args(Awaited))
def test_only_what_somebody_waits_for_is_committed_at_once(awaited: Awaited) -> None:
    outputs, rows = (_due_in_s(awaited, _standing(**{one: True})) == SOONEST_S for one in ("outputs", "rows"))
    assert (outputs, rows) == (awaited in {"effects", "outputs", "commands"}, awaited == "effects")


@pytest.mark.parametrize("rows", [True, False])
def test_the_rest_waits_until_no_more_records_come_or_for_so_long(rows: bool) -> None:
    quiet = _standing(rows=rows, since_s=QUIET_S, quiet_s=QUIET_S)
    busy = _standing(rows=rows, since_s=UNHURRIED_S, quiet_s=0.0)
    early = _standing(rows=rows, since_s=0.9 * UNHURRIED_S, quiet_s=0.9 * QUIET_S)
    assert [_due_in_s("outputs", task) <= 0 for task in (quiet, busy, early)] == [True, True, False]


def test_a_checkpoint_has_just_been_made_so_quiet_does_not_ask_for_another() -> None:
    assert _due_in_s("outputs", _standing(quiet_s=10.0)) == QUIET_S


@pytest.mark.parametrize("awaited", ["effects", "outputs"])
def test_the_longer_a_commit_takes_the_fewer_are_made(awaited: Awaited) -> None:
    taking = (0.0, 0.011, 0.012, 60.0)
    pauses = [_due_in_s(awaited, _standing(outputs=True, commit_s=commit_s)) for commit_s in taking]
    assert pauses == sorted(set(pauses))
    assert (pauses[0], pauses[-1]) == (SOONEST_S, INTERVAL_S)


def test_on_a_busy_machine_commands_go_before_other_outputs_and_rows_come_last() -> None:
    busy = [
        _due_in_s(awaited, _standing(outputs=True, commit_s=0.045)) for awaited in ("commands", "outputs", "effects")
    ]
    assert busy == sorted(set(busy))


@pytest.mark.parametrize("commit_s", [0.0, 60.0])
def test_a_worker_that_catches_up_keeps_to_its_interval(commit_s: float) -> None:
    task = _standing(rows=True, commit_s=commit_s)
    assert due_in_s("effects", task, INTERVAL_S, catching_up=True) == INTERVAL_S


def test_rows_that_take_too_much_memory_are_written_whoever_waits() -> None:
    full = _standing(rows=True, is_full=True, since_s=FULL_S)
    assert _due_in_s("nothing", full) <= 0


def test_without_anything_to_commit_nothing_is_due() -> None:
    nothing = _standing(positions=False, since_s=UNHURRIED_S, quiet_s=UNHURRIED_S)
    assert _due_in_s("effects", nothing) > UNHURRIED_S
