"""The checks of sagas can fail: each bug that is planted in the machine is found on some schedule, none without it."""

from collections.abc import Callable
from random import Random

import pytest

from app.sagas import machine, operations, routes
from app.sagas.definition import Kind
from app.sagas.instance import Reply, Timer
from app.sagas.turn import Turn
from tests.unit.saga_checks import wrongs
from tests.unit.saga_world import schedule

SCHEDULES = 300

Patch = pytest.MonkeyPatch


def everywhere(patch: Patch, name: str, planted: object) -> None:
    for module in (routes, machine, operations):
        patch.setattr(module, name, planted, raising=False)


def undo_in_forward_order(patch: Patch) -> None:
    def undo_next(turn: Turn) -> None:
        undos = [step.undo.state for step in turn.instance.steps]
        if "due" in undos:
            turn.ask(undos.index("due"), "undo")
        else:
            turn.change(status="COMPENSATION_FAILED" if "failed" in undos else "COMPENSATED", wakes_at=0)

    everywhere(patch, "undo_next", undo_next)


def forget_the_step_without_a_reply(patch: Patch) -> None:
    def compensate(turn: Turn, reason: str) -> None:
        for index, step in enumerate(turn.instance.steps):
            if turn.definition.steps[index].undo and step.do.state == "done" and step.undo.state == "idle":
                turn.note(index, "undo", "due")
        turn.change(status="COMPENSATING", reason=reason, deadline=0)
        routes.undo_next(turn)

    everywhere(patch, "compensate", compensate)


def forget_the_first_step(patch: Patch) -> None:
    compensate = routes.compensate

    def compensate_all_but_one(turn: Turn, reason: str) -> None:
        if turn.state(0, "undo") == "idle":
            turn.note(0, "undo", "skipped")
        compensate(turn, reason)

    everywhere(patch, "compensate", compensate_all_but_one)


def stop_at_the_first_undoing_that_fails(patch: Patch) -> None:
    give_up = machine._give_up

    def and_stop(turn: Turn, index: int, kind: Kind, error: str) -> None:
        if kind == "undo":
            turn.fail(index, kind, error)
            turn.change(status="COMPENSATION_FAILED", wakes_at=0)
        else:
            give_up(turn, index, kind, error)

    patch.setattr(machine, "_give_up", and_stop)


def tell_nobody_of_a_failure(patch: Patch) -> None:
    def fail(turn: Turn, index: int, kind: Kind, error: str) -> None:
        turn.note(index, kind, "failed", error)

    patch.setattr(Turn, "fail", fail)


def heed_obsolete_timers(patch: Patch) -> None:
    fire = machine._fire
    times = {"saga-step": "wakes_at", "saga-deadline": "deadline"}

    def fire_any(turn: Turn, timer: Timer) -> None:
        fire(turn, Timer(timer.name, getattr(turn.instance, times[timer.name])))

    patch.setattr(machine, "_fire", fire_any)


def count_a_repeated_failure_again(patch: Patch) -> None:
    def is_answer(turn: Turn, index: int, kind: Kind, reply: Reply) -> bool:
        return True

    patch.setattr(machine, "_is_answer", is_answer)


def give_up_the_pivot_when_it_is_silent(patch: Patch) -> None:
    give_up = machine._give_up

    def and_go_back(turn: Turn, index: int, kind: Kind, error: str) -> None:
        if kind == "do" and index == turn.definition.pivot:
            turn.note(index, "do", "unknown", error)
            routes.compensate(turn, error)
        else:
            give_up(turn, index, kind, error)

    patch.setattr(machine, "_give_up", and_go_back)


def take_a_repeated_reply_for_the_next(patch: Patch) -> None:
    def done(turn: Turn, index: int) -> None:
        turn.note(index, "do", "done")
        routes.ask_next(turn)

    patch.setattr(machine, "_done", done)


PLANTS: list[Callable[[Patch], None]] = [
    undo_in_forward_order,
    forget_the_step_without_a_reply,
    forget_the_first_step,
    stop_at_the_first_undoing_that_fails,
    tell_nobody_of_a_failure,
    heed_obsolete_timers,
    count_a_repeated_failure_again,
    give_up_the_pivot_when_it_is_silent,
    take_a_repeated_reply_for_the_next,
]


def found() -> int | None:
    """The first seed whose schedule goes wrong."""
    for seed in range(SCHEDULES):
        random = Random(seed)
        try:
            world = schedule(random, random.randint(0, 15), random.choice([0, 4]))
        except (AssertionError, TimeoutError, LookupError):
            return seed
        if wrongs(world):
            return seed
    return None


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    plant(monkeypatch)
    assert found() is not None


def test_nothing_is_found_where_nothing_is_planted() -> None:
    assert found() is None
