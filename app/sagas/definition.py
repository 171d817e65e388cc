"""What a saga is made of: named steps, each asked for by a command, some undone by another."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from app.errors import SetupError

Kind: TypeAlias = Literal["do", "undo"]
Outcome: TypeAlias = Literal["done", "refused", "failed"]


class DefinitionError(SetupError):
    """The steps do not make a saga that can end."""


class Retry(Struct, frozen=True):
    """Waits before the attempts after the first; an endless one repeats its last wait."""

    waits: tuple[timedelta, ...] = ()
    endless: bool = False

    def wait_after(self, failures: int) -> timedelta | None:
        """How long to wait after so many failures, counted from 1; None when it is to be given up."""
        if failures <= len(self.waits):
            return self.waits[failures - 1]
        return self.waits[-1] if self.endless else None


class Ask(Struct, frozen=True, kw_only=True):
    """One thing asked of a service, and the names of the replies that tell what became of it.

    `refused` is final, `failed` may succeed when it is asked again, and so may what is not answered within `timeout`.
    A service does what it is asked once, however often: and what was undone never has effect again.
    """

    command: str
    done: tuple[str, ...]
    refused: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    timeout: timedelta
    retry: Retry = Retry()

    def replies(self) -> Iterator[tuple[str, Outcome]]:
        yield from ((name, "done") for name in self.done)
        yield from ((name, "refused") for name in self.refused)
        yield from ((name, "failed") for name in self.failed)


class Step(Struct, frozen=True, kw_only=True):
    """`do` is None for what is done already when the saga begins; `undo` is its compensation, if it has one.

    The pivot decides the saga: once it is done, the saga only goes forward. Whether it was done has to be known, so it
    is never given up for a timeout.
    """

    name: str
    do: Ask | None = None
    undo: Ask | None = None
    pivot: bool = False

    def asks(self) -> Iterator[tuple[Kind, Ask]]:
        if self.do is not None:
            yield "do", self.do
        if self.undo is not None:
            yield "undo", self.undo

    def ask(self, kind: Kind) -> Ask:
        found = self.do if kind == "do" else self.undo
        if found is None:
            raise TypeError(f"step {self.name} has nothing to {kind}")
        return found


class Meaning(NamedTuple):
    """What a reply tells: the outcome of one ask of one step."""

    step: int
    kind: Kind
    outcome: Outcome


class Definition(Struct, frozen=True, kw_only=True, dict=True):
    """One version of a saga. It is compensated when its pivot was not asked for within `deadline`.

    Raises `DefinitionError` for steps that leave open what a reply means or what is to be undone.
    """

    name: str
    version: int
    deadline: timedelta
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise DefinitionError(f"saga {self.name} version {self.version}: {problem}; mend its definition")

    @cached_property
    def pivot(self) -> int:
        """The index of the pivot; without one, that behind the last step."""
        return next((index for index, step in enumerate(self.steps) if step.pivot), len(self.steps))

    @cached_property
    def meanings(self) -> dict[str, Meaning]:
        return {
            name: Meaning(index, kind, outcome)
            for index, step in enumerate(self.steps)
            for kind, ask in step.asks()
            for name, outcome in ask.replies()
        }

    def index(self, step: str) -> int | None:
        return next((index for index, candidate in enumerate(self.steps) if candidate.name == step), None)


def _problems(definition: Definition) -> Iterator[str]:
    steps = definition.steps
    asks = [ask for step in steps for _, ask in step.asks()]
    replies = [name for ask in asks for name, _ in ask.replies()]
    if not any(step.do for step in steps):
        yield "no step does anything"
    if len({step.name for step in steps}) < len(steps):
        yield "two steps have the same name"
    if len(set(replies)) < len(replies):
        yield "a reply answers two things"
    if sum(step.pivot for step in steps) > 1:
        yield "it has two pivots"
    if any(step.undo for step in steps[definition.pivot :]):
        yield "what comes with or after the pivot is never undone"
    if any(step.do is None for step in steps[definition.pivot :]):
        yield "what is done when it begins comes before the pivot"
    yield from (f"{ask.command} {problem}" for ask in asks for problem in _ask_problems(ask))


def _ask_problems(ask: Ask) -> Iterator[str]:
    if not ask.done:
        yield "has no reply that says that it is done"
    if min((ask.timeout, *ask.retry.waits)) <= timedelta(0):
        yield "waits for no time at all"
    if ask.retry.endless and not ask.retry.waits:
        yield "is repeated for ever, but not said after which wait"
