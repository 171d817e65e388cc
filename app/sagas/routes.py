"""The two ways through a saga: forward to the next step, back to the next undoing."""

from app.sagas.turn import Turn


def ask_next(turn: Turn) -> None:
    """Ask for the first step that was not asked for; without one the saga is complete."""
    for index, step in enumerate(turn.instance.steps):
        if step.do.state == "idle":
            if index >= turn.definition.pivot:
                turn.change(deadline=0)
            turn.change(status="RUNNING")
            turn.ask(index, "do")
            return
    turn.change(status="COMPLETED", wakes_at=0, deadline=0)


def compensate(turn: Turn, reason: str) -> None:
    """Undo what was done or may have been, but for what is being undone already or was."""
    for index, step in enumerate(turn.instance.steps):
        undo = turn.definition.steps[index].undo
        if undo is not None and step.undo.state == "idle" and step.do.state in {"done", "unknown"}:
            turn.note(index, "undo", "due")
    turn.change(status="COMPENSATING", reason=reason, deadline=0)
    if turn.under_way() is None:
        undo_next(turn)


def undo_next(turn: Turn) -> None:
    """Undo the last step that is due; without one the saga has ended, or waits for an operator."""
    undos = [step.undo.state for step in turn.instance.steps]
    if "due" in undos:
        turn.change(status="COMPENSATING")
        turn.ask(len(undos) - 1 - undos[::-1].index("due"), "undo")
    else:
        turn.change(status="COMPENSATION_FAILED" if "failed" in undos else "COMPENSATED", wakes_at=0)
