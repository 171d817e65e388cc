"""Where one saga stands: rows of a table, and what goes in and out of a transition. Times are microseconds, UTC."""

from typing import Literal, TypeAlias

from msgspec import Struct

from app.sagas.definition import Kind

Micros: TypeAlias = int
Status: TypeAlias = Literal[
    "RUNNING", "COMPENSATING", "COMPLETED", "COMPENSATED", "COMPENSATION_FAILED", "FORWARD_FAILED"
]
# due: to be asked in its turn; asked: no reply yet; waiting: to be asked again; unknown: given up without an answer
State: TypeAlias = Literal[
    "idle", "due", "asked", "waiting", "done", "refused", "unknown", "failed", "skipped", "resolved"
]
Action: TypeAlias = Literal["retry", "skip", "resolve"]

UNDER_WAY: frozenset[State] = frozenset({"asked", "waiting"})

STEP_TIMER = "saga-step"
DEADLINE_TIMER = "saga-deadline"


class Progress(Struct, frozen=True, array_like=True, gc=False):
    """How far one ask of a step is; `cause` is the id of what brought it there, `at` is when."""

    state: State = "idle"
    attempts: int = 0
    before: int = 0  # attempts before an operator's retry: they count no more
    cause: str = ""
    at: Micros = 0
    error: str = ""


class StepState(Struct, frozen=True, array_like=True, gc=False):
    do: Progress = Progress()
    undo: Progress = Progress()

    def progress(self, kind: Kind) -> Progress:
        return self.do if kind == "do" else self.undo


class Operation(Struct, frozen=True, array_like=True, gc=False):
    """What an operator did about a step, and why."""

    id: str
    action: Action
    step: str
    operator: str
    reason: str
    at: Micros


class Instance(Struct, frozen=True, array_like=True, gc=False):
    """One saga: `steps` as in its definition, whose version it keeps to its end.

    At most one ask is under way; `wakes_at` is when that times out or is repeated. A timer that fires for another
    time than `wakes_at` or `deadline` is obsolete. 0 is no time.
    """

    saga: str
    version: int
    saga_id: str
    status: Status
    steps: tuple[StepState, ...]
    began_at: Micros
    wakes_at: Micros = 0
    deadline: Micros = 0
    reason: str = ""  # why it is compensated
    operations: tuple[Operation, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do; only a reply that comes late can still ask for its undoing."""
        return self.status in {"COMPLETED", "COMPENSATED"}


class Reply(Struct, frozen=True):
    """An event with one of the names that the definition expects; `answers` is the id of the command that caused it."""

    name: str
    id: str
    answers: str
    error: str = ""


class Timer(Struct, frozen=True):
    """One of a saga's two timers; a later one of the same name replaces an earlier one."""

    name: str
    due_at: Micros


class Abort(Struct, frozen=True):
    """Something else ends the flow: all is undone, unless the pivot was asked for."""

    id: str
    reason: str


class Operate(Struct, frozen=True, kw_only=True):
    """An operator's command about a failed step; the same `id` has effect once."""

    id: str
    action: Action
    step: str
    operator: str
    reason: str = ""


Cause: TypeAlias = Reply | Timer | Abort | Operate


class Command(Struct, frozen=True, kw_only=True):
    """Asks a service; the id is the same for the same attempt."""

    id: str
    name: str
    step: str
    kind: Kind
    attempt: int


class Failure(Struct, frozen=True, kw_only=True):
    """A step can be neither done nor undone without an operator: to be alerted, once for each id."""

    id: str
    saga: str
    saga_id: str
    step: str
    kind: Kind
    error: str
    at: Micros


class Transition(Struct, frozen=True):
    """What follows from one cause, all of it or nothing. `instance` is None when nothing changed."""

    instance: Instance | None = None
    command: Command | None = None
    failure: Failure | None = None
    timers: tuple[Timer, ...] = ()
    revoked: tuple[str, ...] = ()  # names of timers that are to be deleted
