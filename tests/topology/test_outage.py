"""A party that is down for a minute: few attempts are spent on it, nothing is given up, and every order ends."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.domain.calls import Charge
from app.streaming.brake import SECOND, Brake, BrakePolicy
from app.streaming.driver import Driver
from app.streaming.failures import read_delivery
from app.streaming.names import dlq_topic, group_id, retry_topic
from app.streaming.reactions import Reactions
from tests.topology.system import PEAR, Fate, System

PAYMENTS = group_id("payments")
LIMIT = Settings().brake_keys
OUTAGE_S = 60


def spent(driver: Driver) -> int:
    """Attempts of records that count: what the retry topics say of the next one."""
    numbers = [
        (record.key, read_delivery(record).record.offset, read_delivery(record).attempt.number)
        for delay_ms in Settings().retry_delays_ms
        for record in driver.records(retry_topic(PAYMENTS, delay_ms))
    ]
    return len({number for number in numbers if number[2] > 1})


def placed(system: System, orders: int, every_ms: int) -> list[str]:
    """Orders placed one after the other while time goes on."""
    found = []
    for number in range(orders):
        found.append(system.place(PEAR, number=number))
        system.driver.advance(timedelta(milliseconds=every_ms))
    return found


def restart(system: System) -> None:
    """All workers die, and others go on in their place, who know nothing of an outage."""
    for topology in system.topologies:
        reactions = getattr(topology.runner, "__self__", None)
        if isinstance(reactions, Reactions):
            reactions.brake = Brake(BrakePolicy())
    system.driver.crash()


def assert_all_confirmed(system: System, orders: list[str]) -> None:
    assert [system.order(order_id).status for order_id in orders] == ["confirmed"] * len(orders)
    assert system.driver.records(dlq_topic(PAYMENTS)) == []
    assert system.driver.rows("payments", "blocked") == {}


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_minute_without_the_provider_spends_few_attempts_and_loses_no_order(partitions: int) -> None:
    """Ten orders a second come in all the time."""
    with System(partitions=partitions) as system:
        began, until_us = system.now_us(), system.in_s(OUTAGE_S)
        system.provider.fails("unreachable", until_us=until_us)
        orders = placed(system, 650, every_ms=100)
        system.settle(60)
        assert_all_confirmed(system, orders)
        calls = [at for at, call in system.provider.calls if isinstance(call, Charge) and at < until_us]
        assert spent(system.driver) <= 2 * LIMIT
        assert len(calls) <= 2 * LIMIT + OUTAGE_S / 8 + 3  # one probe in 8 s, but the first ones
        assert min(calls) < began + SECOND


def test_an_outage_longer_than_all_retries_gives_nothing_up() -> None:
    with System() as system:
        system.provider.fails("unreachable", until_us=system.in_s(600))
        orders = placed(system, 2 * LIMIT, every_ms=10)
        system.settle(700)
        assert_all_confirmed(system, orders)
        assert spent(system.driver) <= 2 * LIMIT


def test_workers_that_restart_again_and_again_in_an_outage_spend_no_more_on_it() -> None:
    with System(partitions=2) as system:
        system.provider.fails("unreachable", until_us=system.in_s(120))
        orders = placed(system, 3 * LIMIT, every_ms=10)
        for _ in range(20):
            system.settle(5)
            restart(system)
        system.settle(120)
        assert_all_confirmed(system, orders)
        assert spent(system.driver) <= 2 * LIMIT


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 120),
    st.integers(1, 40),
    st.sampled_from(["unreachable", "lost"]),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_whatever_the_order_of_delivery_an_outage_costs_no_order(
    seed: int, outage_s: int, orders: int, fate: Fate, crashes_s: list[int]
) -> None:
    """Few orders, too: what does not look like an outage has its ordinary retries, whose delays add up to 62 s."""
    outage_s = outage_s if orders >= LIMIT else min(outage_s, 50)
    with System(random=Random(seed), partitions=2) as system:
        system.provider.fails(fate, until_us=system.in_s(outage_s))
        all_placed = [system.place(PEAR, number=number) for number in range(orders)]
        for seconds in crashes_s:
            system.settle(seconds)
            restart(system)
        system.settle(outage_s + 120)
        assert_all_confirmed(system, all_placed)
