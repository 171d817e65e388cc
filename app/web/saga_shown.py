"""A saga as operators see it: the same words at the API and on the command line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.domain.events import Event, Micros
from app.sagas.instance import Instance, Operation, Progress, Status, StepState
from app.serde.topics import topic_of
from app.web import moments

FAILED: tuple[Status, ...] = ("COMPENSATION_FAILED", "FORWARD_FAILED")
# what of an event tells why it came; the rest of it is in its topic
_TOLD = ("order_version", "reason", "code", "sku", "delivery_id", "amount_minor", "currency", "step", "operator")


def summary(instance: Instance, steps: Sequence[str], waits_for: str = "") -> dict[str, Any]:
    """One line of a list; `failed` are the steps that wait for an operator, `waits_for` is what it lacks if overdue."""
    failed = [
        name
        for name, step in zip(steps, instance.steps, strict=True)
        if instance.status in FAILED and "failed" in {step.do.state, step.undo.state}
    ]
    return {
        "order_id": instance.saga_id,
        "saga": instance.saga,
        "version": instance.version,
        "state": instance.status,
        "failed": failed,
        "began_at": moments.text(instance.began_at),
        "reason": instance.reason,
        "waits_for": waits_for,
    }


def whole(instance: Instance, steps: Sequence[str], events: Iterable[Event]) -> dict[str, Any]:
    """Where it stands and how it came there, each with the id of the event that is the cause."""
    return {
        **summary(instance, steps),
        "next_timeout": _moment(instance.wakes_at),
        "deadline": _moment(instance.deadline),
        "steps": [_step(name, step) for name, step in zip(steps, instance.steps, strict=True)],
        "operations": [_operation(operation) for operation in instance.operations],
        "timeline": [_told(event) for event in events],
    }


def _step(name: str, step: StepState) -> dict[str, Any]:
    return {"step": name, "do": _progress(step.do), "undo": _progress(step.undo)}


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "state": progress.state,
        "attempts": progress.attempts,
        "cause": progress.cause,
        "at": _moment(progress.at),
        "error": progress.error,
    }


def _operation(operation: Operation) -> dict[str, Any]:
    fields = ("id", "action", "step", "operator", "reason")
    return {name: getattr(operation, name) for name in fields} | {"at": _moment(operation.at)}


def _told(event: Event) -> dict[str, Any]:
    about: Mapping[str, Any] = {name: getattr(event, name) for name in _TOLD if hasattr(event, name)}
    return {
        "at": _moment(event.occurred_at),
        "type": type(event).__name__,
        "topic": topic_of(type(event)),
        "event_id": event.event_id,
        "caused_by": event.causation_id,
        "about": about,
    }


def _moment(at: Micros) -> str | None:
    return moments.text(at) if at else None
