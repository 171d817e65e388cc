"""A timer that fails fires again, and its saga still knows it."""

from collections.abc import Callable
from typing import Any

from app.eventstore.port import AppendFailedError
from app.streaming.reactions import Gateway
from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated

AWAY_S, FAILING_S = 90, 40


class Failing:
    """A store that refuses everything, as something that no wait mends, until a moment."""

    def __init__(self, store: Gateway, until_us: int, now_us: Callable[[], int]) -> None:
        self._store, self._until_us, self._now_us = store, until_us, now_us

    async def perform(self, call: Any) -> object:
        if self._now_us() < self._until_us:
            raise AppendFailedError("planted")
        return await self._store.perform(call)


def test_a_decision_whose_timer_failed_is_asked_for_again() -> None:
    with Orchestrated() as system:
        decisions = system.decisions
        decisions.fails("unreachable", until_us=system.in_s(AWAY_S))
        decisions.gateway = Failing(decisions.gateway, system.in_s(AWAY_S + FAILING_S), system.now_us)
        order_id = system.place(fulfilment="orchestration")
        system.settle(3_600)
        assert system.order(order_id).status == "confirmed"
        assert differences(system) == []
