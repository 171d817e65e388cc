"""The simulation can fail: each bug that is planted in the product is found within a hundred seeds."""

import pytest

from tests.simulation.plan import plan_of
from tests.simulation.planted import PLANTS
from tests.simulation.playing import play

SEEDS, ORDERS = 100, 40


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS[plant](monkeypatch)
    assert any(not play(plan_of(seed, ORDERS)).clean for seed in range(SEEDS))
