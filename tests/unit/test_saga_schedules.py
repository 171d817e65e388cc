"""Any saga ends, and ends clean, on any schedule of refusals, losses, timeouts, repetitions and reorderings.

A short run by default; `SAGA_SCHEDULES=10000` in the environment makes it a long one.
"""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.saga_checks import wrongs
from tests.unit.saga_world import World, schedule

SCHEDULES = int(os.environ.get("SAGA_SCHEDULES", "400"))

randoms = st.randoms(use_true_random=False)


@given(st.builds(schedule, randoms, st.integers(0, 15), st.just(0)))
@settings(max_examples=SCHEDULES)
def test_whatever_step_fails_what_was_done_is_undone_once_each_in_reverse_and_the_saga_ends(world: World) -> None:
    assert wrongs(world) == []


@given(st.builds(schedule, randoms, st.integers(0, 20), st.integers(1, 6)))
@settings(max_examples=SCHEDULES // 2)
def test_an_operator_at_any_moment_leaves_the_saga_in_order(world: World) -> None:
    assert wrongs(world) == []
