"""A provider that is down for a while, on the whole system. The long form is `python -m tests.e2e.outage`."""

from tests.e2e.outage import outage
from tests.e2e.whole_system import WholeSystem


def test_an_outage_spends_few_attempts_and_costs_no_order(faulty: WholeSystem) -> None:
    cost = outage(faulty, seconds=3.0, rate=10.0, orders=40)
    assert cost.is_as_promised, cost
    assert cost.failed > 0
