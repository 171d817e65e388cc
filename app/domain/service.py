"""What payments, inventory and shipping share: each does one thing per order version, and undoes it on a cancel.

What was announced as done is held; what may have been done, without an answer, is unknown. A cancel undoes every
version of the order. Unknown ones are undone again, by a timer, until the other side has answered. Where it never does,
or refuses, an operator is told: such versions are refused, and wait for what the operator says.
"""

from typing import NamedTuple, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from app.domain.calls import Refused
from app.domain.events import (
    Answer,
    DeliveryCancelRefused,
    Event,
    EventVoided,
    Micros,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    PaymentReleaseRefused,
    StockReleaseRefused,
)
from app.domain.requests import ServiceCommand, Settlement
from app.domain.step import Step, Timer, caused_id
from app.domain.streams import Envelope, envelope, noted, origin, timer_after
from app.sagas.instance import Failure

UNAVAILABLE = Refused("unavailable", code="unavailable")
VOIDED = Refused("voided", code="voided")
MAX_ERROR = 256
CHOREOGRAPHY = "choreography"  # where a saga has its name, an order without one has this
BACKOFF_SECONDS = (5, 10, 20, 30)  # the last one repeats
MOST_WAITS = 20  # ten minutes, with the retries before: after the last one an operator is told


class _Standing(Struct, frozen=True, array_like=True, gc=False):
    """How the versions of an order stand at a service."""

    orders: int = 0  # newest version seen of the order's events
    emitted: int = 0  # newest version of the service's own events
    held: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    waits: int = 0  # timers set since nothing was unknown
    cancelled: bool = False


class ServiceRow(_Standing, frozen=True, array_like=True, gc=False, kw_only=True):
    """What a service knows of one order, bounded by the number of versions that an order can have.

    These are stored behind the fields of a service's own.
    """

    refused: tuple[int, ...] = ()  # versions whose undoing failed for good, and that wait for an operator
    settled: str = ""  # the newest command of an operator that had effect


RowT = TypeVar("RowT", bound=ServiceRow)


class AnswerEnvelope(Envelope):
    order_version: int


class Commanded(Protocol):
    """What a row tells of an orchestrated order: the names of the answers that the saga has had."""

    @property
    def orchestrated(self) -> bool: ...
    @property
    def told(self) -> tuple[str, ...]: ...


CommandedT = TypeVar("CommandedT", bound=Commanded)


class UndoCall(Protocol):
    def __call__(self, *, order_id: str, order_versions: tuple[int, ...]) -> object: ...


class Undoing(NamedTuple):
    """How a service undoes: the step, as the saga of an orchestrated order calls it; the call; the timer to ask again;
    what is told once it has failed for good."""

    step: str
    call: type
    timer: str
    refused: type[PaymentReleaseRefused] | type[StockReleaseRefused] | type[DeliveryCancelRefused]


def answer_envelope(
    kind: type[Answer], row: ServiceRow, cause: Event | Timer, order_version: int, now: Micros, *, nth: int = 1
) -> AnswerEnvelope:
    """The envelope of the `nth` event of the service that the cause leads to."""
    order_id, causation_id, correlation_id = origin(cause)
    common = envelope(
        f"{kind.__name__}-{order_version}",
        order_id,
        row.emitted + nth,
        causation_id=causation_id,
        correlation_id=correlation_id,
        now=now,
    )
    return AnswerEnvelope(**common, order_version=order_version)


def seen(row: RowT, cause: Event | Timer) -> RowT:
    """The row after it has learned of the cause."""
    if isinstance(cause, Settlement):
        return replace(row, refused=(), settled=cause.event_id)
    return replace(noted(row, cause), cancelled=row.cancelled or isinstance(cause, OrderCancelled))


def is_orchestrated(row: Commanded, cause: Event | Timer) -> bool:
    """Whether the saga, and nobody else, says what is done and undone for this order."""
    created = isinstance(cause, OrderCreated) and cause.fulfilment == "orchestration"
    return row.orchestrated or created or isinstance(cause, ServiceCommand)


def is_of_no_use(row: Commanded, cause: Event | Timer) -> bool:
    """Whether a service learns nothing from the cause, and does not even note it. Nothing follows the confirmation of
    an order, and what is done for an orchestrated one is said by commands alone."""
    if isinstance(cause, Timer | ServiceCommand):
        return False
    is_after_end = isinstance(cause, EventVoided) and cause.is_after_end
    return row.orchestrated or is_after_end or isinstance(cause, OrderConfirmed)


def is_told(row: Commanded, *answers: type[Answer]) -> bool:
    """Whether one of these answers was given: it is in the topic for the saga to read, however often it asks."""
    return any(answer.__name__ in row.told for answer in answers)


def tell(row: CommandedT, event: Answer) -> Step[CommandedT]:
    """Answers a command of the saga."""
    told = (*row.told, type(event).__name__)
    after = replace(row, emitted=event.version, told=told)  # type: ignore[type-var]  # rows are Structs
    return Step(row=after, events=(event,))


def done(row: RowT, event: Answer) -> Step[RowT]:
    """Announces that the event's order version is done; it is held from now on."""
    return Step(row=replace(row, emitted=event.version, held=(*row.held, event.order_version)), events=(event,))


def not_done(row: RowT, event: Answer) -> Step[RowT]:
    """Announces that the event's order version is refused."""
    return Step(row=replace(row, emitted=event.version), events=(event,))


def ask_undo(row: RowT, cause: OrderCancelled | Timer, call: UndoCall) -> Step[RowT]:
    """Asks to undo every version before a cancel; the unknown ones when a timer fires."""
    if isinstance(cause, Timer):
        order_id, order_versions = cause.key, row.unknown
    else:
        order_id, order_versions = cause.order_id, tuple(range(1, cause.version))
    if not order_versions:
        return Step(row=seen(row, cause))
    return Step(call=call(order_id=order_id, order_versions=order_versions))


def settle(row: RowT, cause: Settlement, call: UndoCall) -> Step[RowT]:
    """An operator whose command finds nothing refused was overtaken, or is heard again: it has no effect."""
    if not row.refused or cause.event_id == row.settled:
        return Step()
    if cause.action == "retry":
        return Step(call=call(order_id=cause.order_id, order_versions=row.refused))
    return Step(row=seen(row, cause))


def known_now(row: RowT, order_versions: tuple[int, ...]) -> RowT:
    """The row once the other side has answered for these versions, whatever it said."""
    unknown = tuple(version for version in row.unknown if version not in order_versions)
    refused = tuple(version for version in row.refused if version not in order_versions)
    return replace(row, unknown=unknown, refused=refused, waits=row.waits if unknown else 0)


def undone(row: RowT, order_versions: tuple[int, ...], events: tuple[Answer, ...]) -> Step[RowT]:
    """The other side has answered for these versions; the events announce those of them that were held."""
    announced = {event.order_version for event in events}
    held = tuple(version for version in row.held if version not in announced)
    after = replace(known_now(row, order_versions), emitted=row.emitted + len(events), held=held)
    return Step(row=after, events=events)


def not_undone(
    row: RowT, cause: Event | Timer, order_versions: tuple[int, ...], undoing: Undoing, refused: Refused, now: Micros
) -> Step[RowT]:
    """The other side will not undo these versions: what is held of them stays so, and an operator is told.

    All that one cause leaves undone of an order is one failure. There is an event for each version that is held; where
    none is, one all the same.
    """
    told = tuple(version for version in order_versions if version in row.held) or order_versions[-1:]
    events = tuple(
        undoing.refused(
            **answer_envelope(undoing.refused, row, cause, version, now, nth=nth),
            reason=refused.reason,
            code=refused.code,
        )
        for nth, version in enumerate(told, start=1)
    )
    known = known_now(row, order_versions)
    after = replace(known, emitted=row.emitted + len(events), refused=(*known.refused, *order_versions))
    return Step(row=after, events=events, failures=(left_undone(cause, undoing.step, refused.reason, now),))


def left_undone(cause: Event | Timer, step: str, error: str, now: Micros) -> Failure:
    """The failure of a choreographed order's undoing: one for each cause and step, however often it is met."""
    order_id, causation_id, _ = origin(cause)
    return Failure(
        id=caused_id(causation_id, f"{step}-not-undone"),
        saga=CHOREOGRAPHY,
        saga_id=order_id,
        step=step,
        kind="undo",
        error=error[:MAX_ERROR],
        at=now,
    )


def abandoned(cause: Event | Timer, call: object, undoing: Undoing, error: str, now: Micros) -> tuple[Failure, ...]:
    """What is told of a call that is never taken: nothing, unless it undoes a part of a choreographed order. Of another
    order the saga tells, once it has waited for the answer."""
    if not isinstance(call, undoing.call) or isinstance(cause, ServiceCommand):
        return ()
    return (left_undone(cause, undoing.step, error, now),)


def undoing_unanswered(
    row: RowT, cause: Event | Timer, order_versions: tuple[int, ...], undoing: Undoing, now: Micros
) -> Step[RowT]:
    """Nobody has answered the undoing of these versions: it is asked for again, and given up after the last wait."""
    if row.waits < MOST_WAITS:
        return unanswered(row, cause, order_versions, undoing.timer, now)
    return not_undone(row, cause, order_versions, undoing, UNAVAILABLE, now)


def unanswered(
    row: RowT, cause: Event | Timer, order_versions: tuple[int, ...], timer: str, now: Micros, *events: Answer
) -> Step[RowT]:
    """The other side has not answered for these versions; the timer will ask to undo them. Of an orchestrated order the
    saga asks for it."""
    if isinstance(cause, ServiceCommand):
        return Step(row=replace(row, emitted=row.emitted + len(events)), events=events)
    wait_s = BACKOFF_SECONDS[min(row.waits, len(BACKOFF_SECONDS) - 1)]
    after = replace(
        row,
        emitted=row.emitted + len(events),
        unknown=tuple(sorted({*row.unknown, *order_versions})),
        waits=row.waits + 1,
    )
    return Step(row=after, events=events, timers=(timer_after(cause, timer, wait_s, now),))
