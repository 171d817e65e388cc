"""Plays a plan on the whole system, and tells what came of it once nothing is left to do."""

from collections.abc import Iterator
from contextlib import suppress
from random import Random

import msgspec

from app.domain.limits import OrderRefusedError
from app.serde.topics import EVENT_TYPES
from app.streaming.driver import START_US
from app.verify.model import PAID, Case, Difference
from tests.simulation.patience import given_up_too_early
from tests.simulation.plan import Plan
from tests.topology.checking import cases, differences
from tests.topology.orchestrated import Orchestrated
from tests.topology.scenarios import come_to_rest

PARTITIONS = 2
STEPS = 4  # between two happenings, at most: what is not done by then goes on beside what comes next


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`charged_minor`: what the provider has, less what it gave back."""

    seed: int
    orders: int
    confirmed: int
    cancelled: int
    charged_minor: int
    confirmed_minor: int
    wrong: tuple[Difference, ...]

    @property
    def clean(self) -> bool:
        ended = self.confirmed + self.cancelled == self.orders
        return ended and self.charged_minor == self.confirmed_minor and not self.wrong


def play(plan: Plan) -> Verdict:
    with Orchestrated(random=Random(plan.seed), partitions=PARTITIONS, stock=plan.stock) as system:
        chance = Random(plan.seed)
        for one in plan.happens:
            system.driver.now_us = max(system.now_us(), START_US + one.at_ms * 1000)
            with suppress(OrderRefusedError):
                one.what.happen(system)
            for _ in range(chance.randint(0, STEPS)):
                system.driver.step()
        come_to_rest(system)
        return _verdict(plan, system)


def _verdict(plan: Plan, system: Orchestrated) -> Verdict:
    known = cases(system)
    placed = [case for case in known.values() if case.stored]
    return Verdict(
        seed=plan.seed,
        orders=plan.orders,
        confirmed=sum(case.outcomes == ["confirmed"] for case in placed),
        cancelled=sum(case.outcomes == ["cancelled"] for case in placed),
        charged_minor=sum(effect.amount_minor for case in placed for effect in case.charges if effect.state in PAID),
        confirmed_minor=sum(_confirmed_minor(case) for case in placed),
        wrong=(
            *differences(system, known),
            *given_up_too_early(placed, system.published(*EVENT_TYPES)),
            *_left_to_people(system),
        ),
    )


def _confirmed_minor(case: Case) -> int:
    return sum(event["total_minor"] for event in case.of("OrderConfirmed"))


def _left_to_people(system: Orchestrated) -> Iterator[Difference]:
    """No saga waits for an operator, and what was alerted has been delivered."""
    for order_id, row in system.sagas().items():
        if not row.saga.ended:
            yield Difference("saga", order_id, "ended", row.saga.status)
    raised, told = {alert["id"] for alert in system.alerts()}, {alert.id for alert in system.receivers.taken}
    if raised != told:
        yield Difference("alerts", "delivered", sorted(raised), sorted(told))
