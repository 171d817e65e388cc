"""One transition of a saga in the making: what the machine may do to an instance, each noted with its cause."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace

from app.sagas.definition import Definition, Kind
from app.sagas.instance import (
    DEADLINE_TIMER,
    STEP_TIMER,
    UNDER_WAY,
    Command,
    Failure,
    Instance,
    Micros,
    Progress,
    State,
    Timer,
    Transition,
)

_IDS = UUID("5a2f7a60-6c1f-5d0b-9f0e-3f6f2a4f1c11")
MAX_ERROR = 256


class Turn:
    """Collects what follows from one cause."""

    def __init__(self, definition: Definition, instance: Instance, cause: str, now: Micros) -> None:
        self.definition, self.instance = definition, instance
        self.now = now
        self._before, self._cause = instance, cause
        self._command: Command | None = None
        self._failure: Failure | None = None

    def under_way(self) -> tuple[int, Kind] | None:
        """The one ask that is not answered yet."""
        for index, step in enumerate(self.instance.steps):
            if step.do.state in UNDER_WAY:
                return index, "do"
            if step.undo.state in UNDER_WAY:
                return index, "undo"
        return None

    def state(self, index: int, kind: Kind) -> State:
        return self.instance.steps[index].progress(kind).state

    def change(self, **fields: Any) -> None:
        self.instance = replace(self.instance, **fields)

    def note(self, index: int, kind: Kind, state: State, error: str = "", **fields: int) -> Progress:
        """The ask of this step stands so, from now on."""
        step = self.instance.steps[index]
        progress = replace(
            step.progress(kind), state=state, cause=self._cause, at=self.now, error=error[:MAX_ERROR], **fields
        )
        after = replace(step, do=progress) if kind == "do" else replace(step, undo=progress)
        self.change(steps=(*self.instance.steps[:index], after, *self.instance.steps[index + 1 :]))
        return progress

    def ask(self, index: int, kind: Kind) -> None:
        """Send its command, and wait for the reply until the timeout."""
        step = self.definition.steps[index]
        progress = self.instance.steps[index].progress(kind)
        attempt = progress.attempts + 1
        self.note(index, kind, "asked", progress.error, attempts=attempt)
        ask = step.ask(kind)
        self._command = Command(
            id=command_id(self.instance, step.name, kind, attempt),
            name=ask.command,
            step=step.name,
            kind=kind,
            attempt=attempt,
        )
        self.wake_after(ask.timeout)

    def fail(self, index: int, kind: Kind, error: str) -> None:
        """Neither a retry nor a compensation helps: an operator is to be told."""
        progress = self.note(index, kind, "failed", error)
        step = self.definition.steps[index].name
        self._failure = Failure(
            id=_id(self.instance, "failure", step, kind, progress.attempts),
            saga=self.instance.saga,
            saga_id=self.instance.saga_id,
            step=step,
            kind=kind,
            error=error,
            at=self.now,
        )

    def wake_after(self, wait: timedelta) -> None:
        self.change(wakes_at=self.now + micros(wait))

    def result(self) -> Transition:
        if self.instance == self._before:
            return Transition()
        times = {
            STEP_TIMER: (self._before.wakes_at, self.instance.wakes_at),
            DEADLINE_TIMER: (self._before.deadline, self.instance.deadline),
        }
        changed = {name: after for name, (before, after) in times.items() if before != after}
        return Transition(
            self.instance,
            self._command,
            self._failure,
            timers=tuple(Timer(name, due_at) for name, due_at in changed.items() if due_at),
            revoked=tuple(name for name, due_at in changed.items() if not due_at),
        )


def micros(wait: timedelta) -> Micros:
    return wait // timedelta(microseconds=1)


def command_id(instance: Instance, step: str, kind: Kind, attempt: int) -> str:
    """The id of that attempt's command: a repeated transition sends the same one."""
    return _id(instance, "command", step, kind, attempt)


def _id(instance: Instance, *parts: object) -> str:
    return str(uuid5(_IDS, ":".join(map(str, (instance.saga, instance.saga_id, *parts)))))
