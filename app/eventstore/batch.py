"""The commands of one append statement: its parameters, and what its rows say of each command."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from app.domain.events import Event
from app.errors import ConcurrencyError, OrderflowError
from app.eventstore.arrays import Blobs, Integers, Texts, Uuids
from app.eventstore.port import Appended, AppendFailedError, StoreUnavailableError
from app.eventstore.session import LATER, UNMIGRATED
from app.eventstore.streams import command_reused
from app.serde.cloudevents import ce_time, ce_type, traceparent

APPEND = "select outcome, version from append_batch(%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)"


# less than Kafka takes in a record by default, by what key and headers need
MAX_EVENT_BYTES = 1_000_000


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored: its value, and what its headers cannot be derived from otherwise."""

    event_id: UUID
    type: bytes
    payload: bytes
    time: bytes
    trace: bytes


class Command(msgspec.Struct, frozen=True, eq=False):
    """A command that waits for its outcome; `stream` is its order."""

    stream: UUID
    expected: int
    command_id: UUID
    fingerprint: bytes
    rows: Sequence[EventRow]
    outcome: "asyncio.Future[Appended]"

    @property
    def size(self) -> int:
        """Bytes that it brings into a statement, about."""
        return sum([len(row.payload) for row in self.rows])


def event_row(event: Event, encode: Callable[[Event], bytes]) -> EventRow:
    """The row of an event; an `AppendFailedError` for one that no relay could publish."""
    payload = encode(event)
    if len(payload) > MAX_EVENT_BYTES:
        raise AppendFailedError(
            f"event {event.event_id} has {len(payload)} bytes, over the limit of {MAX_EVENT_BYTES}; split the command"
        )
    return EventRow(UUID(event.event_id), ce_type(event), payload, ce_time(event), traceparent(event))


def parameters(commands: Sequence[Command]) -> tuple[object, ...]:
    """The arguments of `append_batch`: the first event of each command first, then all the further ones."""
    events = [(command, 0, command.rows[0]) for command in commands]
    events += [(command, nth, row) for command in commands for nth, row in enumerate(command.rows[1:], 1)]
    return (
        Uuids([command.command_id for command in commands]),
        Uuids([command.stream for command in commands]),
        Integers([command.expected for command in commands]),
        Integers([command.expected + len(command.rows) for command in commands]),
        Blobs([command.fingerprint for command in commands]),
        Uuids([command.stream for command, _, _ in events]),
        Integers([command.expected + 1 + nth for command, nth, _ in events]),
        Uuids([row.event_id for _, _, row in events]),
        Texts([row.type for _, _, row in events]),
        Blobs([row.payload for _, _, row in events]),
        Texts([row.time for _, _, row in events]),
        Texts([row.trace for _, _, row in events]),
    )


def outcomes(commands: Sequence[Command], rows: list[tuple[Any, ...]]) -> list[Appended | OrderflowError]:
    """What `append_batch` answered, command by command."""
    if not rows:
        return [Appended(command.expected + len(command.rows), replayed=False) for command in commands]
    return [_outcome(command, outcome, version) for command, (outcome, version) in zip(commands, rows, strict=True)]


def _outcome(command: Command, outcome: str, version: int) -> Appended | OrderflowError:
    match outcome:
        case "conflict":
            return ConcurrencyError(str(command.stream), command.expected, version)
        case "reused":
            return command_reused(command.command_id)
        case _:
            return Appended(version, replayed=outcome == "replayed")


def failure(error: psycopg.Error) -> OrderflowError:
    """What the database's refusal of one statement means: most of what it says of itself passes, anything else not."""
    if isinstance(error, LATER):
        return StoreUnavailableError(f"PostgreSQL could not do it now: {error}")
    if isinstance(error, UNMIGRATED):
        return StoreUnavailableError(
            f"PostgreSQL is not at the schema of this release: {error}; run `orderflow migrate`"
        )
    return AppendFailedError(f"PostgreSQL refuses the events: {error}; mend the command")
