"""Which calls a planted fault hits."""

from app.simulators.faults import Fault, Faults, Match


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_fault_without_limits_hits_every_call_until_cleared() -> None:
    faults = Faults(Clock())
    faults.plant(Fault("unavailable"))
    assert all(faults.take("unavailable", f"order-{number}") for number in range(100))
    faults.clear()
    assert not faults.take("unavailable", "order-1")


def test_fault_hits_as_many_calls_as_it_counts() -> None:
    faults = Faults(Clock())
    faults.plant(Fault("refuse", count=2))
    assert [faults.take("refuse", "order-1") for _ in range(4)] == [True, True, False, False]


def test_fault_ends_with_its_time() -> None:
    clock = Clock()
    faults = Faults(clock)
    faults.plant(Fault("unavailable", seconds=20))
    clock.now = 19.9
    assert faults.take("unavailable", "order-1")
    clock.now = 20.0
    assert not faults.take("unavailable", "order-1")


def test_fault_with_count_and_time_ends_with_the_first() -> None:
    clock = Clock()
    faults = Faults(clock)
    faults.plant(Fault("unavailable", count=1, seconds=20))
    assert [faults.take("unavailable", "order-1") for _ in range(2)] == [True, False]


def test_fault_is_used_up_by_calls_that_it_matches_only() -> None:
    faults = Faults(Clock())
    faults.plant(Fault("refuse", Match(order_id="order-1", customer_id="17850"), count=1))
    assert not faults.take("refuse", "order-2", "17850")
    assert not faults.take("refuse", "order-1", "13047")
    assert not faults.take("refuse", "order-1")
    assert not faults.take("timeout", "order-1", "17850")
    assert faults.take("refuse", "order-1", "17850")


def test_oldest_matching_fault_is_used_first() -> None:
    faults = Faults(Clock())
    faults.plant(Fault("refuse", Match(order_id="order-1"), count=1))
    faults.plant(Fault("refuse", count=1))
    assert faults.take("refuse", "order-1")
    assert faults.take("refuse", "order-2")
    assert not faults.take("refuse", "order-1")
