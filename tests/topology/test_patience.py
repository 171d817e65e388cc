"""After a worker was away for long, no timer fires before the replies that wait in its topics are read."""

from random import Random

import pytest

from tests.topology.checking import differences
from tests.topology.orchestrated import Orchestrated

AWAY_S = 600


@pytest.mark.parametrize("seed", range(6))
def test_replies_that_came_while_the_worker_was_away_come_before_its_timers(seed: int) -> None:
    """Its step was to be given up after 3 minutes; the reply came at once, and nobody read it for 10."""
    with Orchestrated(random=Random(seed), partitions=2) as system:
        system.driver.stop("payments")
        orders = [system.place(number=number, fulfilment="orchestration") for number in range(1, 9)]
        system.settle(1)
        system.driver.stop("orchestration")
        system.driver.go_on("payments")
        system.settle(AWAY_S)
        assert {system.order(order_id).status for order_id in orders} == {"pending"}
        system.driver.go_on("orchestration")
        system.settle()
        assert {system.order(order_id).status for order_id in orders} == {"confirmed"}
        assert differences(system) == []
