"""What an operator may do about a step that failed for good: retry it, skip it, or say that it was done by hand."""

from typing import ClassVar

from app.errors import RefusedError
from app.sagas.definition import Kind
from app.sagas.instance import Operate, Operation
from app.sagas.routes import ask_next, undo_next
from app.sagas.turn import MAX_ERROR, Turn

MAX_OPERATIONS = 100  # a saga remembers so many, the newest ones


class OperationRefusedError(RefusedError):
    """The operator's command does not fit where the saga stands; `code` says why."""

    code: ClassVar[str]


class UnknownStepError(OperationRefusedError):
    """The saga has no such step."""

    code = "STEP_UNKNOWN"


class NotFailedError(OperationRefusedError):
    """The step is not one that waits for an operator."""

    code = "STEP_NOT_FAILED"


class PivotSkippedError(OperationRefusedError):
    """What decides the saga was either done or not."""

    code = "STEP_NOT_SKIPPED"


def operate(turn: Turn, command: Operate) -> None:
    """Do as the operator says; a command seen before has no effect."""
    if any(operation.id == command.id for operation in turn.instance.operations):
        return
    index, kind = _failed(turn, command.step)
    if command.action == "skip" and index == turn.definition.pivot:
        raise PivotSkippedError(f"{command.step} decides the saga: retry it, or resolve it once it is known to be done")
    reason = command.reason[:MAX_ERROR]
    operation = Operation(command.id, command.action, command.step, command.operator, reason, turn.now)
    turn.change(operations=(*turn.instance.operations, operation)[-MAX_OPERATIONS:])
    if command.action == "retry":
        turn.note(index, kind, "failed", before=turn.instance.steps[index].progress(kind).attempts)
        turn.change(status="RUNNING" if kind == "do" else "COMPENSATING")
        turn.ask(index, kind)
        return
    turn.note(index, kind, "skipped" if command.action == "skip" else "resolved", command.reason)
    if kind == "do":
        ask_next(turn)
    else:
        undo_next(turn)


def _failed(turn: Turn, name: str) -> tuple[int, Kind]:
    """The failed ask of the step, in a saga that waits for an operator."""
    instance, index = turn.instance, turn.definition.index(name)
    if index is None:
        names = ", ".join(step.name for step in turn.definition.steps)
        raise UnknownStepError(f"{instance.saga} version {instance.version} has no step {name}; it has {names}")
    if instance.status not in {"COMPENSATION_FAILED", "FORWARD_FAILED"}:
        raise NotFailedError(f"saga {instance.saga_id} is {instance.status}: only one that failed takes this command")
    kind: Kind = "undo" if instance.status == "COMPENSATION_FAILED" else "do"
    if turn.state(index, kind) != "failed":
        failed = [step.name for at, step in enumerate(turn.definition.steps) if turn.state(at, kind) == "failed"]
        raise NotFailedError(f"step {name} has not failed; {', '.join(failed)} has")
    return index, kind
