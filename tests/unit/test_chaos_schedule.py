"""Schedules of a chaos run are the same for a seed, go through a file, and become smaller while they fail."""

import msgspec
import pytest

from tests.chaos.seeded.schedule import (
    GAP_S,
    MAKERS,
    Add,
    Bounce,
    Kill,
    Pause,
    Schedule,
    Stop,
    dump,
    lines,
    load,
    steps,
    steps_within,
)
from tests.chaos.seeded.shrinking import smallest

SOME = Schedule(
    seed=3,
    steps=(
        Kill(1.0, 2, wipes=True),
        Bounce(0.5, "controller", 1, hard=True, away_s=2.0),
        Pause(0.25, 7, 1.5),
        Add(0.3),
    ),
)


def test_a_seed_makes_the_same_steps_again_and_another_one_others() -> None:
    assert steps(7, 200) == steps(7, 200)
    assert steps(7, 200)[:50] == steps(7, 50)
    assert steps(7, 200) != steps(8, 200)


def test_every_kind_of_step_comes_up_and_no_other_than_those_asked_for() -> None:
    assert {type(step) for step in steps(1, 300)} == {type(made) for made in steps(2, 300)}
    assert len({type(step) for step in steps(1, 300)}) == len(MAKERS) - 1  # kills with and without the disk
    assert {type(step) for step in steps(1, 50, ("stop", "add"))} == {Stop, Add}
    assert all(step.wipes for step in steps(1, 50, ("wipe",)) if isinstance(step, Kill))


def test_as_many_steps_are_made_as_fit_into_the_time() -> None:
    within = steps_within(7, 60.0, ("kill",))
    assert within == steps(7, len(within), ("kill",))
    assert 60.0 - GAP_S[1] <= sum(step.after_s for step in within) <= 60.0


def test_a_schedule_goes_through_its_file() -> None:
    assert load(dump(SOME)) == SOME


def test_a_file_with_an_unknown_step_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="jump"):
        load(dump(SOME).replace(b'"kill"', b'"jump"'))


def test_a_schedule_is_shown_with_the_time_of_each_step() -> None:
    shown = lines(SOME)
    assert [line.split()[:2] for line in shown] == [["1", "1.00"], ["2", "1.50"], ["3", "1.75"], ["4", "2.05"]]
    assert "bounce target=controller pick=1 hard=True away_s=2.0" in shown[1]


@pytest.mark.parametrize("needed", [{0}, {9}, {2, 7}, {1, 2, 3}, set(range(10))], ids=str)
def test_what_a_failure_needs_is_left_and_nothing_else(needed: set[int]) -> None:
    assert set(smallest(range(10), lambda kept: needed <= set(kept), 100)) == needed


def test_a_failure_that_needs_no_step_leaves_none() -> None:
    assert smallest(range(10), lambda _: True, 100) == ()


def test_no_part_is_tried_twice_and_no_more_than_was_allowed() -> None:
    tried: list[tuple[int, ...]] = []

    def fails(kept: tuple[int, ...]) -> bool:
        tried.append(kept)
        return {3, 4} <= set(kept)

    assert smallest(range(16), fails, 1000) == (3, 4)
    assert len(tried) == len(set(tried))
    asked = len(tried)
    assert {3, 4} <= set(smallest(range(16), fails, 5))
    assert len(tried) == asked + 5
