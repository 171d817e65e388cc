"""Whatever happens to the whole system: every order ends once, money and stock add up, all views agree."""

import pytest

from tests.simulation.plan import plan_of
from tests.simulation.playing import play

SEEDS, ORDERS = 20, 2_000


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_order_ends_once_and_money_and_stock_add_up(seed: int) -> None:
    verdict = play(plan_of(seed, ORDERS))
    assert verdict.wrong == ()
    assert verdict.clean
    assert min(verdict.confirmed, verdict.cancelled) > ORDERS // 10
