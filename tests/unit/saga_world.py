"""A saga among services that lose, refuse, repeat and reorder: any definition, any schedule, on a virtual clock."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random
from typing import Literal, TypeAlias

from app.sagas import machine
from app.sagas.definition import Ask, Definition, Kind, Retry, Step
from app.sagas.instance import (
    Action,
    Cause,
    Command,
    Failure,
    Instance,
    Operate,
    Reply,
    Timer,
    Transition,
)
from app.sagas.operations import OperationRefusedError

NOW = 1_700_000_000_000_000
SAGA_ID = "saga-1"
MOVES = 5_000

# lost: done, yet not answered; silent: neither
Fate: TypeAlias = Literal["done", "refused", "failed", "lost", "silent"]
ACTIONS: tuple[Action, ...] = ("retry", "skip", "resolve")


def ask(name: str, *waits_s: int, endless: bool = False, timeout_s: int = 10) -> Ask:
    """An ask whose replies are named after it."""
    return Ask(
        command=name,
        done=(f"{name}:done",),
        refused=(f"{name}:refused",),
        failed=(f"{name}:failed",),
        timeout=timedelta(seconds=timeout_s),
        retry=Retry(tuple(timedelta(seconds=wait) for wait in waits_s), endless),
    )


def definition(*steps: Step, version: int = 1, deadline_s: int = 600) -> Definition:
    return Definition(name="trip", version=version, deadline=timedelta(seconds=deadline_s), steps=steps)


def any_definition(random: Random) -> Definition:
    """One to five steps with or without a pivot, some of which cannot be undone."""
    count = random.randint(1, 5)
    pivot = random.randint(0, count)
    given = random.random() < 0.3 and pivot > 0
    steps = [
        Step(
            name=f"s{index}",
            do=ask(f"do{index}", *_waits(random)),
            undo=ask(f"undo{index}", *_waits(random)) if index < pivot and random.random() < 0.9 else None,
            pivot=index == pivot,
        )
        for index in range(count)
    ]
    if given:
        steps.insert(0, Step(name="given", undo=ask("undo-given")))
    return definition(*steps, deadline_s=random.choice([15, 600]))


def _waits(random: Random) -> list[int]:
    return [5] * random.randint(0, 2)


class Service:
    """Does what it is asked once; what it has undone or refused never has effect again."""

    def __init__(self) -> None:
        self.standing = False
        self._undone = self._refused = False

    def ask(self, kind: Kind, fate: Fate) -> Fate | None:
        """What it answers."""
        if fate in {"failed", "silent"}:
            return fate if fate == "failed" else None
        if kind == "undo":
            return self._undo(fate)
        if self._undone or self._refused or (fate == "refused" and not self.standing):
            self._refused = True
            return "refused"
        self.standing = True
        return None if fate == "lost" else "done"

    def _undo(self, fate: Fate) -> Fate | None:
        if fate == "refused" and not self._undone:
            return "refused"
        self.standing, self._undone = False, True
        return None if fate == "lost" else "done"


class World:
    """One saga from its begin until nothing is left to happen."""

    def __init__(self, random: Random, saga: Definition, faults: int, operations: int = 0) -> None:
        self._random, self._faults, self._operations = random, faults, operations
        self._rate = random.choice([0.1, 0.3, 0.6])
        self.definition, self.now = saga, NOW
        self.services = {step.name: Service() for step in saga.steps}
        for step in saga.steps:
            self.services[step.name].standing = step.do is None
        self.commands: list[Command] = []
        self.failures: list[Failure] = []
        self.seen: list[Cause] = []
        self.had_effect_again: list[Cause] = []
        self.timers: dict[str, int] = {}
        self._obsolete: list[Timer] = []
        self._sent: list[Command] = []
        self._replies: list[Reply] = []
        self.instance = Instance(saga.name, saga.version, SAGA_ID, "RUNNING", (), NOW)
        self._apply(machine.begin(saga, SAGA_ID, "begin", NOW))

    def run(self) -> "World":
        for _ in range(MOVES):
            moves = self._moves()
            if not moves:
                return self
            self._random.choice(moves)()
        raise TimeoutError(f"the saga did not end: {self.instance}")

    def take(self, cause: Cause) -> Transition:
        """The transition, made durable."""
        transition = machine.proceed(self.definition, self.instance, cause, self.now)
        if cause in self.seen and transition != Transition():
            self.had_effect_again.append(cause)
        self.seen.append(cause)
        self._apply(transition)
        return transition

    def first_undos(self) -> list[int]:
        """The steps in the order in which their undoing was first asked for."""
        names = [command.step for command in self.commands if command.kind == "undo" and command.attempt == 1]
        return [index for name in names if (index := self.definition.index(name)) is not None]

    def _moves(self) -> list[Callable[[], None]]:
        moves: list[Callable[[], None]] = [partial(self._serve, command) for command in self._sent]
        moves += [partial(self._answer, reply) for reply in self._replies]
        moves += [partial(self._fire_obsolete, timer) for timer in self._obsolete[:1]]
        if self.timers:
            moves.append(self._fire)
        if self._operations and self.instance.status.endswith("FAILED"):
            moves.append(self._operate)
        return moves

    def _serve(self, command: Command) -> None:
        if not self._repeats():
            self._sent.remove(command)
        outcome = self.services[command.step].ask(command.kind, self._fate())
        if outcome is not None:
            name = f"{command.name}:{outcome}"
            self._replies.append(Reply(name, f"reply {len(self.seen)} {name}", command.id, "no"))

    def _answer(self, reply: Reply) -> None:
        if not self._repeats():
            self._replies.remove(reply)
        self.take(reply)

    def _fire(self) -> None:
        """Whatever is under way may still be answered: the answer then comes late."""
        name = min(self.timers, key=lambda name: self.timers[name])
        timer = Timer(name, self.timers.pop(name))
        self.now = max(self.now, timer.due_at)
        self.take(timer)

    def _fire_obsolete(self, timer: Timer) -> None:
        self._obsolete.remove(timer)
        self.now = max(self.now, timer.due_at)
        self.take(timer)

    def _operate(self) -> None:
        self._operations -= 1
        step, action = self._random.choice(self.definition.steps).name, self._random.choice(ACTIONS)
        command = Operate(id=f"operation {self._operations}", action=action, step=step, operator="ada", reason="why")
        try:
            self.take(command)
        except OperationRefusedError:
            return

    def _apply(self, transition: Transition) -> None:
        if transition.instance is None:
            assert transition == Transition()
            return
        self.instance = transition.instance
        if transition.command is not None:
            self.commands.append(transition.command)
            self._sent.append(transition.command)
        if transition.failure is not None:
            self.failures.append(transition.failure)
        for timer in transition.timers:
            self._drop(timer.name)
            self.timers[timer.name] = timer.due_at
        for name in transition.revoked:
            self._drop(name)

    def _drop(self, name: str) -> None:
        due_at = self.timers.pop(name, None)
        if due_at is not None:
            self._obsolete.append(Timer(name, due_at))

    def _fate(self) -> Fate:
        fates: tuple[Fate, ...] = ("refused", "failed", "lost", "silent")
        return self._random.choice(fates) if self._fails() else "done"

    def _repeats(self) -> bool:
        return self._fails()

    def _fails(self) -> bool:
        fails = self._faults > 0 and self._random.random() < self._rate
        self._faults -= fails
        return fails


def schedule(random: Random, faults: int, operations: int) -> World:
    """Any saga on any schedule."""
    return World(random, any_definition(random), faults, operations).run()
