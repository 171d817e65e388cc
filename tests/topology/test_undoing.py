"""The services together when something is in the way: parties that do not answer, backlogs, late answers."""

from collections.abc import Iterator
from random import Random

import pytest

from app.domain import calls
from app.domain.service import ServiceRow
from tests.topology.checking import differences
from tests.topology.system import APPLE, PEAR, Fate, System

RETRIES_S = [0, 2, 6, 14, 30, 62]  # after delays of 2, 4, 8, 16, 32 s
PARTIES = ["provider", "warehouse", "carrier", "decisions"]
ACTS = {"provider": calls.Charge, "warehouse": calls.Reserve, "carrier": calls.Schedule, "decisions": calls.Confirm}
FAILED = {"provider": "payment failed", "warehouse": "stock rejected", "carrier": "delivery rejected"}


@pytest.fixture
def system() -> Iterator[System]:
    with System() as system:
        yield system


def fail(
    system: System, party: str, *, seconds: float, fate: Fate = "unreachable", order_id: str | None = None
) -> None:
    until_us = system.in_s(seconds)
    getattr(system, party).fails(fate, until_us=until_us, order_id=order_id)


def times_s(system: System, party: str, began: int) -> list[float]:
    """When the party was asked for its service, in seconds from `began`."""
    return [(at - began) / 1e6 for at, call in getattr(system, party).calls if isinstance(call, ACTS[party])]


@pytest.mark.parametrize("fate", ["unreachable", "lost"])
@pytest.mark.parametrize("party", PARTIES)
def test_an_outage_is_retried_at_growing_delays_and_then_all_goes_on(system: System, party: str, fate: Fate) -> None:
    began, order_id = system.now_us(), system.place()
    fail(system, party, seconds=20, fate=fate)
    system.settle(29)
    assert times_s(system, party, began) == RETRIES_S[:4]
    # the decision was made, it only was not answered
    assert system.order(order_id).status == ("confirmed" if (party, fate) == ("decisions", "lost") else "pending")
    system.settle(1)
    assert times_s(system, party, began) == RETRIES_S[:5]
    assert system.order(order_id).status == "confirmed"
    assert differences(system) == []


@pytest.mark.parametrize("fate", ["unreachable", "lost"])
@pytest.mark.parametrize("party", FAILED)
def test_exhausted_retries_are_an_outcome_that_cancels_the_order(system: System, party: str, fate: Fate) -> None:
    """What may have been done is voided, by a timer, until the party has answered: nothing is left of it."""
    began, order_id = system.now_us(), system.place()
    fail(system, party, seconds=100, fate=fate)
    system.settle(62)
    assert times_s(system, party, began) == RETRIES_S
    order = system.order(order_id)
    assert (order.status, order.reason) == ("cancelled", f"{FAILED[party]}: unavailable")
    system.settle(120)
    assert differences(system) == []


def test_a_charge_without_an_answer_is_voided_by_a_timer_when_no_cancel_did_it(system: System) -> None:
    """The store is away too, so the order cannot be cancelled at once."""
    order_id, began = system.place(), system.now_us()
    fail(system, "provider", seconds=65, fate="lost")
    fail(system, "decisions", seconds=200)
    system.settle(66)
    assert [key[0] for key in system.charge_book.charges.standing] == [order_id]
    system.settle(4)
    voids = [(at - began) / 1e6 for at, call in system.provider.calls if isinstance(call, calls.VoidCharges)]
    assert voids == [67]
    assert system.charge_book.charges.standing == {}
    assert system.order(order_id).status == "pending"
    system.settle(300)
    assert system.order(order_id).reason == "payment failed: unavailable"
    assert differences(system) == []


def test_a_decision_that_the_store_does_not_take_is_made_by_a_timer_later(system: System) -> None:
    began, order_id = system.now_us(), system.place()
    fail(system, "decisions", seconds=100)
    system.settle(120)
    assert times_s(system, "decisions", began) == [*RETRIES_S, *range(67, 103, 5)]
    assert system.order(order_id).status == "confirmed"
    assert differences(system) == []


def test_one_order_in_trouble_holds_up_no_other(system: System) -> None:
    troubled, other = system.place(number=1), system.place(number=2)
    fail(system, "provider", seconds=500, order_id=troubled)
    system.settle()
    assert (system.order(troubled).status, system.order(other).status) == ("pending", "confirmed")
    system.settle(600)
    assert system.order(troubled).status == "cancelled"
    assert differences(system) == []


def test_later_events_of_an_order_wait_behind_its_failed_one(system: System) -> None:
    order_id = system.place(APPLE)
    fail(system, "provider", seconds=5)
    system.settle(1)
    system.add(order_id, PEAR)
    system.settle(10)
    charged = [call.order_version for call in system.provider.of(calls.Charge)]
    assert charged == [1, 1, 1, 2]
    assert differences(system) == []


@pytest.mark.parametrize(
    ("party", "act", "undo"),
    [
        ("warehouse", calls.Reserve, calls.ReleaseStock),
        ("carrier", calls.Schedule, calls.CancelDeliveries),
    ],
)
def test_a_cancel_from_another_topic_waits_behind_the_failed_record_of_its_order(
    system: System, party: str, act: type, undo: type
) -> None:
    order_id = system.place()
    fail(system, party, seconds=5)
    system.settle(1)
    system.cancel(order_id)
    system.settle(10)
    asked = [type(call) for _, call in getattr(system, party).calls]
    assert asked == [act, act, act, undo]
    assert differences(system) == []


@pytest.mark.parametrize("seed", range(12))
def test_a_success_that_comes_after_the_cancel_is_undone(seed: int) -> None:
    """A service that learns of the cancel first remembers it."""
    with System(random=Random(seed)) as system:
        order_id = system.place()
        fail(system, "warehouse", seconds=3)
        fail(system, "carrier", seconds=3, fate="lost")
        system.settle(1)
        system.cancel(order_id)
        system.settle(100)
        assert (system.order(order_id).status, system.order(order_id).reason) == ("cancelled", "changed my mind")
        assert differences(system) == []


@pytest.mark.parametrize("party", FAILED)
def test_an_undo_is_asked_for_until_it_is_answered(system: System, party: str) -> None:
    order_id = system.place()
    fail(system, "decisions", seconds=10)
    system.settle(1)
    system.cancel(order_id)
    fail(system, party, seconds=400)
    system.settle(390)
    assert [row.unknown for row in services(system) if row.unknown] == [(1,)]
    assert differences(system) != []
    system.settle(60)
    assert differences(system) == []


def services(system: System) -> list[ServiceRow]:
    tables = {"payments": "payments", "inventory": "reservations", "shipping": "deliveries"}
    return [row for name, table in tables.items() for row in system.driver.rows(name, table).values()]


@pytest.mark.parametrize("seed", range(8))
def test_a_due_timer_lets_the_backlog_go_first(seed: int) -> None:
    """A decision is not made on what an old row knows while the customer's cancel waits to be read."""
    with System(random=Random(seed)) as system:
        order_id = system.place()
        fail(system, "decisions", seconds=75)
        system.settle(70)
        assert [timer.name for timer in system.driver.rows("fulfilment", "timers").values()] == ["decide", "overdue"]
        system.cancel(order_id)
        system.driver.do(system.relay())
        for record in list(system.published("payments.events", "inventory.events", "shipping.events")):
            system.repeat(record)
        asked = [call.causation_id for _, call in system.decisions.calls]
        system.driver.now_us += 600_000_000  # while the workers were away
        system.settle()
        asked_later = [call.causation_id for _, call in system.decisions.calls[len(asked) :]]
        assert asked[-1] not in asked_later  # what a timer asks for names the event that set it
        assert differences(system) == []


def test_after_an_outage_of_everything_all_orders_are_confirmed(system: System) -> None:
    """No party is asked so often, for so many, that anything would be given up."""
    for party in PARTIES:
        fail(system, party, seconds=90)
    ids = [system.place(APPLE, number=number) for number in range(1, 30)]
    system.settle(400)
    assert {system.order(order_id).status for order_id in ids} == {"confirmed"}
    assert differences(system) == []
