"""What holds of every saga, whatever happened to it: each check yields what is wrong."""

from collections.abc import Iterator

import msgspec

from app.sagas import machine
from app.sagas.instance import Instance, Transition
from tests.unit.saga_world import World

COMPENSATED = {"COMPENSATED", "COMPENSATION_FAILED"}


def wrongs(world: World) -> list[str]:
    return [*_ending(world), *_way_back(world), *_outside(world), *_failures(world), *_once_more(world)]


def _ending(world: World) -> Iterator[str]:
    instance = world.instance
    if instance.status in {"RUNNING", "COMPENSATING"}:
        yield f"it has not ended: {instance.status}"
    if world.timers:
        yield f"timers are left: {world.timers}"
    if msgspec.msgpack.decode(msgspec.msgpack.encode(instance), type=Instance) != instance:
        yield "its row does not survive its encoding"
    ids = [command.id for command in world.commands]
    if len(set(ids)) < len(ids):
        yield "an attempt was sent twice"


def _way_back(world: World) -> Iterator[str]:
    """Completed steps are undone once each, in reverse; nothing is once the pivot is done."""
    undone, steps = world.first_undos(), world.instance.steps
    if undone != sorted(set(undone), reverse=True):
        yield f"undone out of order or twice: {undone}"
    owed = [
        index
        for index, step in enumerate(world.definition.steps)
        if step.undo is not None and steps[index].do.state in {"done", "unknown"}
    ]
    expected = owed[::-1] if world.instance.status in COMPENSATED else []
    if undone != expected:
        yield f"undone {undone} instead of {expected}"


def _outside(world: World) -> Iterator[str]:
    for step, state in zip(world.definition.steps, world.instance.steps, strict=True):
        standing = world.services[step.name].standing
        given_up = {"failed", "skipped", "resolved"}
        if world.instance.status == "COMPLETED" and not standing and state.do.state not in given_up:
            yield f"{step.name} is not done"
        elif world.instance.status in COMPENSATED and standing and step.pivot:
            yield f"undone although {step.name} was done"
        elif world.instance.status in COMPENSATED and standing and step.undo and state.undo.state not in given_up:
            yield f"{step.name} is not undone"


def _failures(world: World) -> Iterator[str]:
    """One for each step that waited for an operator; again only after a retry."""
    ids = [failure.id for failure in world.failures]
    if len(set(ids)) < len(ids):
        yield "a failure was told twice"
    failed = {
        step.name
        for step, state in zip(world.definition.steps, world.instance.steps, strict=True)
        if "failed" in {state.do.state, state.undo.state}
    }
    if not failed <= {failure.step for failure in world.failures}:
        yield f"a failure was not told: {failed}"
    if bool(failed) != world.instance.status.endswith("FAILED"):
        yield f"{world.instance.status} with the failed steps {failed}"


def _once_more(world: World) -> Iterator[str]:
    """All that it has seen, it has seen: timers that fired or are obsolete, replies, operators' commands."""
    yield from (f"{cause} had effect again" for cause in world.had_effect_again)
    for cause in world.seen:
        if machine.proceed(world.definition, world.instance, cause, world.now) != Transition():
            yield f"{cause} has effect once more"
