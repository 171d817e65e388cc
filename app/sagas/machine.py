"""The transitions of a saga: forward to its end or, before the pivot, back through what was done, in reverse.

Before the pivot, what is refused, given up or too late sends the saga back: each step that was done, or may have been,
is undone once. An undoing that fails for good holds up no other. From the pivot on the saga only goes forward.
"""

from typing import assert_never

from app.sagas.definition import Definition, Kind
from app.sagas.instance import (
    DEADLINE_TIMER,
    STEP_TIMER,
    UNDER_WAY,
    Abort,
    Cause,
    Instance,
    Micros,
    Operate,
    Progress,
    Reply,
    StepState,
    Timer,
    Transition,
)
from app.sagas.operations import operate
from app.sagas.routes import ask_next, compensate, undo_next
from app.sagas.turn import Turn, command_id, micros

NO_REPLY = "no reply in time"
DEADLINE = "the saga took too long"


def begin(definition: Definition, saga_id: str, cause: str, now: Micros) -> Transition:
    """Begin the saga because of the event with the id `cause`."""
    done = Progress("done", cause=cause, at=now)
    steps = tuple(StepState(do=done) if step.do is None else StepState() for step in definition.steps)
    instance = Instance(definition.name, definition.version, saga_id, "RUNNING", steps, began_at=now)
    turn = Turn(definition, instance, cause, now)
    turn.change(deadline=now + micros(definition.deadline))
    ask_next(turn)
    return turn.result()


def proceed(definition: Definition, instance: Instance, cause: Cause, now: Micros) -> Transition:
    """What follows from the cause; nothing, when it was seen before or is obsolete.

    Raises an `OperationRefusedError` for an operator's command that does not fit where the saga stands.
    """
    turn = Turn(definition, instance, _id_of(cause), now)
    match cause:
        case Reply():
            _reply(turn, cause)
        case Timer():
            _fire(turn, cause)
        case Abort():
            _abort(turn, cause.reason)
        case Operate():
            operate(turn, cause)
        case _:
            assert_never(cause)
    return turn.result()


def _reply(turn: Turn, reply: Reply) -> None:
    meaning = turn.definition.meanings.get(reply.name)
    if meaning is None:
        return
    index, kind, outcome = meaning
    error = reply.error or reply.name
    if outcome == "failed":
        if turn.state(index, kind) == "asked" and _is_answer(turn, index, kind, reply):
            _try_again(turn, index, kind, error)
    elif outcome == "refused" and (kind == "undo" or index > turn.definition.pivot):
        if turn.state(index, kind) in UNDER_WAY and _is_answer(turn, index, kind, reply):
            _give_up(turn, index, kind, error)
    elif outcome == "refused":
        _refused(turn, index, error)
    elif kind == "do":
        _done(turn, index)
    else:
        _undone(turn, index)


def _is_answer(turn: Turn, index: int, kind: Kind, reply: Reply) -> bool:
    """Whether it answers the newest attempt: what became of an earlier one is known already."""
    step = turn.definition.steps[index].name
    return reply.answers == command_id(turn.instance, step, kind, turn.instance.steps[index].progress(kind).attempts)


def _done(turn: Turn, index: int) -> None:
    before = turn.state(index, "do")
    if before in {"idle", "done", "resolved"}:
        return
    turn.note(index, "do", "done")
    if turn.instance.status in {"RUNNING", "FORWARD_FAILED"}:
        if before != "skipped":
            ask_next(turn)
    elif turn.instance.status != "COMPLETED" and turn.state(index, "undo") == "idle":
        compensate(turn, turn.instance.reason)  # it comes late, and nothing was to be undone till now


def _undone(turn: Turn, index: int) -> None:
    if turn.state(index, "undo") in {"idle", "done", "resolved"}:
        return
    turn.note(index, "undo", "done")
    if turn.under_way() is None:
        undo_next(turn)


def _refused(turn: Turn, index: int, error: str) -> None:
    """Whichever attempt it answers, the step was not done: the saga goes back, also from a pivot that was in doubt."""
    state = turn.state(index, "do")
    if state in UNDER_WAY or (state == "failed" and index == turn.definition.pivot):
        turn.note(index, "do", "refused", error)
        compensate(turn, f"{turn.definition.steps[index].name}: {error}")


def _try_again(turn: Turn, index: int, kind: Kind, error: str) -> None:
    progress = turn.instance.steps[index].progress(kind)
    wait = turn.definition.steps[index].ask(kind).retry.wait_after(progress.attempts - progress.before)
    if wait is None:
        _give_up(turn, index, kind, error)
    else:
        turn.note(index, kind, "waiting", error)
        turn.wake_after(wait)


def _give_up(turn: Turn, index: int, kind: Kind, error: str) -> None:
    if kind == "undo":
        turn.fail(index, kind, error)
        undo_next(turn)
    elif index >= turn.definition.pivot:
        turn.fail(index, kind, error)
        turn.change(status="FORWARD_FAILED", wakes_at=0)
    else:
        turn.note(index, "do", "unknown", error)
        compensate(turn, f"{turn.definition.steps[index].name}: {error}")


def _fire(turn: Turn, timer: Timer) -> None:
    if timer == Timer(DEADLINE_TIMER, turn.instance.deadline):
        _abort(turn, DEADLINE)
    elif timer == Timer(STEP_TIMER, turn.instance.wakes_at) and (under_way := turn.under_way()):
        if turn.state(*under_way) == "asked":
            _try_again(turn, *under_way, NO_REPLY)
        else:
            turn.ask(*under_way)


def _abort(turn: Turn, reason: str) -> None:
    under_way = turn.under_way()
    if turn.instance.status != "RUNNING" or under_way is None or under_way[0] >= turn.definition.pivot:
        return
    turn.note(*under_way, "unknown", reason)
    compensate(turn, reason)


def _id_of(cause: Cause) -> str:
    return f"{cause.name} {cause.due_at}" if isinstance(cause, Timer) else cause.id
