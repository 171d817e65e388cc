"""Calls that fail of what is no word of the party: a timer that fires again is the one its saga knows."""

from collections.abc import Callable
from typing import Any

import pytest

from app.domain.events import Fulfilment
from app.eventstore.port import AppendFailedError
from app.serde.errors import RegistryUnavailableError
from app.streaming.reactions import Gateway
from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated

AWAY_S, FAILING_S = 90, 40


class Failing:
    """A gateway that fails of this until a moment, whatever it is asked."""

    def __init__(self, gateway: Gateway, error: Exception, until_us: int, now_us: Callable[[], int]) -> None:
        self._gateway, self._error, self._until_us, self._now_us = gateway, error, until_us, now_us

    async def perform(self, call: Any) -> object:
        if self._now_us() < self._until_us:
            raise self._error
        return await self._gateway.perform(call)


def test_a_decision_whose_timer_failed_is_asked_for_again() -> None:
    with Orchestrated() as system:
        decisions = system.decisions
        decisions.fails("unreachable", until_us=system.in_s(AWAY_S))
        refused = AppendFailedError("planted")  # which no wait is said to mend
        decisions.gateway = Failing(decisions.gateway, refused, system.in_s(AWAY_S + FAILING_S), system.now_us)
        order_id = system.place(fulfilment="orchestration")
        system.settle(3_600)
        assert system.order(order_id).status == "confirmed"
        assert differences(system) == []


@pytest.mark.parametrize(("fulfilment", "away_s"), [("choreography", 200), ("orchestration", 100)])
def test_a_registry_that_does_not_tell_what_is_stored_costs_no_order_its_delivery(
    fulfilment: Fulfilment, away_s: int
) -> None:
    """Not even where the carrier has used up all retries but the last; for less than a saga waits for a step."""
    with Orchestrated() as system:
        system.carrier.fails("unreachable", until_us=system.in_s(60))
        unknown = RegistryUnavailableError("planted")
        system.carrier.gateway = Failing(system.carrier.gateway, unknown, system.in_s(away_s), system.now_us)
        order_id = system.place(fulfilment=fulfilment)
        system.settle(away_s + 50)
        assert system.order(order_id).status == "confirmed"
        assert differences(system) == []
