"""Describes a saga: as text, and as a mermaid state diagram."""

from collections.abc import Iterator
from datetime import timedelta

from app.sagas.definition import Ask, Definition, Retry, Step

UNDONE = "back_at_the_begin"


def as_text(saga: Definition) -> str:
    """Every step with what it asks, expects and waits for."""
    lines = [f"saga {saga.name} version {saga.version}, deadline {_wait(saga.deadline)}"]
    for number, step in enumerate(saga.steps, start=1):
        lines.append(f"  {number}. {step.name}{' (pivot: only forward from here)' if step.pivot else ''}")
        for kind, ask in step.asks():
            lines += [f"     {kind}: {ask.command}", *(f"       {line}" for line in _ask(ask))]
    return "\n".join(lines)


def as_mermaid(saga: Definition) -> str:
    """A box for every step and undoing that is waited for; the names on the arrows are those of replies."""
    return "\n".join(
        [
            "stateDiagram-v2",
            *_states(saga),
            *(f"  {source} --> {target}{f': {label}' if label else ''}" for source, target, label in _arrows(saga)),
        ]
    )


def _ask(ask: Ask) -> Iterator[str]:
    yield f"done:    {', '.join(ask.done)}"
    if ask.refused:
        yield f"refused: {', '.join(ask.refused)}"
    if ask.failed:
        yield f"failed:  {', '.join(ask.failed)}"
    yield f"timeout: {_wait(ask.timeout)}; {_again(ask.retry)}"


def _again(retry: Retry) -> str:
    if not retry.waits:
        return "asked once"
    return f"asked again after {', '.join(map(_wait, retry.waits))}{' and so on' if retry.endless else ''}"


def _wait(wait: timedelta) -> str:
    seconds = wait.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"


def _states(saga: Definition) -> Iterator[str]:
    for step in saga.steps:
        for kind, ask in step.asks():
            yield f"  {_id(step, kind)}: {ask.command}"


def _arrows(saga: Definition) -> Iterator[tuple[str, str, str]]:
    forward = [(index, step, step.do) for index, step in enumerate(saga.steps) if step.do is not None]
    yield "[*]", _id(forward[0][1], "do"), ""
    for (index, step, ask), following in zip(forward, [*forward[1:], None], strict=True):
        yield _id(step, "do"), _id(following[1], "do") if following else "COMPLETED", _or(*ask.done)
        yield from _setbacks(saga, index, step, ask)
    yield "COMPLETED", "[*]", ""
    yield from _way_back(saga)


def _setbacks(saga: Definition, index: int, step: Step, ask: Ask) -> Iterator[tuple[str, str, str]]:
    """Where a step leads that is not done."""
    silence = () if ask.retry.endless else (*ask.failed, "no reply")
    refused, lost = (ask.refused, silence) if index <= saga.pivot else ((), (*ask.refused, *silence))
    if refused:
        yield _id(step, "do"), _undoing(saga, index - 1), _or(*refused)
    if index < saga.pivot:
        yield _id(step, "do"), _undoing(saga, index), _or(*lost, "deadline")
    elif lost:
        yield _id(step, "do"), "FORWARD_FAILED", _or(*lost)
        yield "FORWARD_FAILED", _id(step, "do"), "retry"


def _way_back(saga: Definition) -> Iterator[tuple[str, str, str]]:
    undone = [(index, step, step.undo) for index, step in enumerate(saga.steps) if step.undo is not None]
    for index, step, ask in reversed(undone):
        lost = () if ask.retry.endless and not ask.refused else ("failed for good",)
        yield _id(step, "undo"), _undoing(saga, index - 1), _or(*ask.done, *lost)
    yield UNDONE, "COMPENSATED", "all undone, skipped or resolved"
    yield UNDONE, "COMPENSATION_FAILED", "one failed for good"
    yield "COMPENSATION_FAILED", UNDONE, "retry or skip or resolve"
    yield "COMPENSATED", "[*]", ""


def _undoing(saga: Definition, index: int) -> str:
    """Where the way back goes on, from this step down."""
    for step in saga.steps[index::-1] if index >= 0 else ():
        if step.undo is not None:
            return _id(step, "undo")
    return UNDONE


def _or(*names: str) -> str:
    return " or ".join(names)


def _id(step: Step, kind: str) -> str:
    return f"{kind}_{step.name.replace('-', '_')}"
