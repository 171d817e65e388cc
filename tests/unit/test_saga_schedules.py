"""Any saga ends, and ends clean, on any schedule of refusals, losses, timeouts, repetitions and reorderings.

Ten thousand schedules by seed, and some that Hypothesis chooses and makes smaller when they fail; more of those with
`SAGA_SCHEDULES=10000` in the environment.
"""

import os
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.saga_checks import wrongs
from tests.unit.saga_world import World, schedule

SEEDS = 10_000
STEPS = 5  # at most, without one that is done when the saga begins
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


def test_ten_thousand_schedules_end_clean_and_each_step_of_each_length_has_failed_in_some() -> None:
    failed: Counter[tuple[int, int]] = Counter()
    for seed in range(SEEDS):
        random = Random(seed)
        world = schedule(random, random.randint(0, 15), operations=0)
        assert wrongs(world) == [], seed
        asked = [state for state, step in zip(world.instance.steps, world.definition.steps, strict=True) if step.do]
        ends = [index for index, state in enumerate(asked) if state.do.state in {"refused", "unknown", "failed"}]
        failed.update((len(asked), index) for index in ends)
    assert failed.keys() == {(length, index) for length in range(1, STEPS + 1) for index in range(length)}
    assert min(failed.values()) > SEEDS // 1_000
