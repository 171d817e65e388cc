"""Whatever happens to the system, and whenever: every order ends once, and all stands as it ended."""

from hypothesis import given, settings

from tests.topology.checking import differences
from tests.topology.scenarios import Scenario, scenarios


@given(scenarios)
@settings(max_examples=250)
def test_whatever_happens_every_order_ends_once_and_all_agree(scenario: Scenario) -> None:
    """Money, stock and deliveries stand for the confirmed orders only; histories and views are as the events say."""
    with scenario.play() as system:
        assert differences(system) == []
