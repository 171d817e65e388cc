"""A trip as a saga: a hotel, a flight, a payment (the pivot) and a mail."""

from app.sagas import machine
from app.sagas.definition import Step
from app.sagas.instance import Abort, Action, Command, Instance, Operate, Reply, Timer, Transition
from tests.unit.saga_world import NOW, SAGA_ID, ask, definition

SECOND = 1_000_000

TRIP = definition(
    Step(name="hotel", do=ask("book-hotel", 5, 7), undo=ask("free-hotel", 5)),
    Step(name="flight", do=ask("book-flight"), undo=ask("free-flight", 5)),
    Step(name="pay", do=ask("pay", 5), pivot=True),
    Step(name="mail", do=ask("mail")),
)


class Trip:
    """A saga, its clock, and what it asked for."""

    def __init__(self) -> None:
        self.now = NOW
        self.last = machine.begin(TRIP, SAGA_ID, "event-1", NOW)
        assert self.last.instance is not None
        self.instance: Instance = self.last.instance
        self.command: Command | None = self.last.command

    def take(self, cause: Reply | Timer | Abort | Operate) -> Transition:
        self.last = machine.proceed(TRIP, self.instance, cause, self.now)
        self.instance = self.last.instance or self.instance
        self.command = self.last.command or self.command
        return self.last

    def reply(self, name: str, error: str = "") -> Transition:
        assert self.command is not None
        return self.take(Reply(name, f"reply {name}", self.command.id, error))

    def replies(self, *names: str) -> "Trip":
        for name in names:
            self.reply(name)
        return self

    def wake(self) -> Transition:
        """The timer of the step fires."""
        self.now = self.instance.wakes_at
        return self.take(Timer("saga-step", self.now))

    def operate(self, action: Action, step: str, command_id: str = "operation") -> Transition:
        return self.take(Operate(id=command_id, action=action, step=step, operator="ada", reason="it was agreed"))

    @property
    def asks(self) -> str | None:
        return self.last.command.name if self.last.command else None

    def states(self) -> list[tuple[str, str]]:
        return [(step.do.state, step.undo.state) for step in self.instance.steps]


def before_pay() -> Trip:
    return Trip().replies("book-hotel:done", "book-flight:done")


def undoing_failed() -> Trip:
    """The freeing of the flight failed for good, that of the hotel is done."""
    return before_pay().replies("pay:refused", "free-flight:refused", "free-hotel:done")


def forward_failed() -> Trip:
    return before_pay().replies("pay:done", "mail:refused")
