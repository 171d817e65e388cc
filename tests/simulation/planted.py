"""Bugs to plant in the product, by name: the simulation has to find each."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

import topologies.payments
from app.domain import fulfilment, inventory, payments, service
from app.domain.calls import Charge
from app.domain.events import OrderCreated
from app.domain.payments import PaymentRow
from app.domain.step import Step
from app.sagas import machine, routes
from app.sagas.turn import Turn
from app.streaming.task import Task

Patch = pytest.MonkeyPatch


def undo_the_first_version_only(patch: Patch) -> None:
    ask_undo = service.ask_undo

    def ask_less(row: Any, cause: Any, call: Any) -> Any:
        step = ask_undo(row, cause, call)
        asked: Any = step.call
        return step if asked is None else Step(call=replace(asked, order_versions=(1,)))

    patch.setattr(inventory, "ask_undo", ask_less)


def forget_the_step_without_a_reply(patch: Patch) -> None:
    compensate = routes.compensate

    def compensate_what_is_known(turn: Turn, reason: str) -> None:
        for index, step in enumerate(turn.instance.steps):
            if step.do.state == "unknown":
                turn.note(index, "undo", "skipped")
        compensate(turn, reason)

    patch.setattr(machine, "compensate", compensate_what_is_known)


def charge_a_repeated_order_again(patch: Patch) -> None:
    class Rules:
        conclude, exhausted = staticmethod(payments.conclude), staticmethod(payments.exhausted)
        abandoned = staticmethod(payments.abandoned)

        @staticmethod
        def begin(row: PaymentRow | None, cause: Any, now: int) -> Step[PaymentRow]:
            step = payments.begin(row, cause, now)
            if step == Step() and isinstance(cause, OrderCreated) and cause.fulfilment == "choreography":
                call = payments.begin(None, cause, now).call
                return Step(call=replace(call, order_version=99)) if isinstance(call, Charge) else step
            return step

    patch.setattr(topologies.payments, "payments", Rules)


def confirm_what_is_not_paid(patch: Patch) -> None:
    decision = fulfilment._decision

    def decide(row: fulfilment.FulfilmentRow, cause: Any) -> Any:
        paid = row.paid > 0 and row.reserved > 0
        return decision(replace(row, paid=row.newest, reserved=row.newest) if paid else row, cause)

    patch.setattr(fulfilment, "_decision", decide)


def fire_timers_before_replies(patch: Patch) -> None:
    def fire_timers(self: Task) -> None:
        if self.timers is not None:
            for timer in self.timers.take_due(self.now_us(), self.runner.room()):
                self.runner.fire(timer)

    patch.setattr(Task, "fire_timers", fire_timers)


PLANTS: dict[str, Callable[[Patch], None]] = {
    "missed-undo": undo_the_first_version_only,
    "missed-undo-of-a-saga": forget_the_step_without_a_reply,
    "double-charge": charge_a_repeated_order_again,
    "unpaid-item": confirm_what_is_not_paid,
    "timer-first": fire_timers_before_replies,
}
