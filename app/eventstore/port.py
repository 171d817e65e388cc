"""What the rest of the system knows of the event store: append at an expected version, read, ask for a past result."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from app.domain.events import Event
from app.errors import PermanentError, RefusedError, TransientError

START = ""
PAGE = 1_000


class StoreUnavailableError(TransientError):
    """The store did not answer. The command may have been appended: repeat it with the same command id."""


class StoreBusyError(TransientError):
    """More commands wait than the store admits; nothing was appended. Try again after a moment."""


class AppendFailedError(PermanentError):
    """The store will never take these events; the message says what is wrong with them."""


class UnreadableEventError(PermanentError):
    """What is stored is no event; the message says which one, and what to do."""


class CommandReusedError(RefusedError):
    """The command id belongs to another command (other content, or another order). Send this one under its own id."""


class Appended(msgspec.Struct, frozen=True):
    """The order stands at `version` after the command. `replayed`: it had been appended before, nothing was written."""

    version: int
    replayed: bool


class NoPositionError(RefusedError):
    """It is no position of `read_all`. Take one that it gave, or begin at the start."""


class Recorded(msgspec.Struct, frozen=True):
    """An event and where it stands among all events."""

    position: str
    event: Event


class Snapshot(msgspec.Struct, frozen=True):
    """An order as its first `version` events have made it; `schema` names the form of `state`."""

    version: int
    schema: str
    state: bytes


class EventStore(Protocol):
    """One stream of events per order. Every call ends within a bounded time."""

    async def append(
        self, order_id: str, expected: int, events: Sequence[Event], *, command_id: UUID, fingerprint: bytes = b""
    ) -> Appended:
        """Adds `events` (versions `expected + 1` and on) and the result of the command, all or nothing.

        A `command_id` that was appended before answers its first result, whatever `expected` is. Raises
        `ConcurrencyError` when the order is not at `expected`, `CommandReusedError`, `StoreUnavailableError` (safe to
        repeat with the same command id), `StoreBusyError`, `AppendFailedError`.
        """
        ...

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        """The events of the order from that version on, in order; none for an order that does not exist.

        Raises `UnreadableEventError`.
        """
        ...

    async def read_all(self, after: str = START, limit: int = PAGE) -> list[Recorded]:
        """The next events of all orders, those of each by version: read on after the last position, page by page, and
        each is given once. An event that may still be preceded by one of an append in progress waits for that.

        Raises `NoPositionError`, and `UnreadableEventError` when it is the next one that cannot be read: its position
        is in the message, to go on behind it.
        """
        ...

    async def read_latest(self, order_id: str, schema: str) -> tuple[Snapshot | None, list[Event]]:
        """The snapshot of the order and the events behind it; all events where none of that schema was kept."""
        ...

    def keep(self, order_id: str, snapshot: Snapshot) -> None:
        """Has it written beside the appends, in place of an older one. It may be lost: nothing relies on it."""
        ...

    async def recorded(self, order_id: str, *, command_id: UUID, fingerprint: bytes = b"") -> Appended | None:
        """The result of a command that was appended before, None if it was not; `CommandReusedError` as in `append`."""
        ...
