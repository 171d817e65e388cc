"""What a task asks of the code that handles its records, and how that code is told about the task."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import msgspec

from app.streaming.boundary import Boundary
from app.streaming.failures import Delivery
from app.streaming.record import RecordBatch
from app.streaming.timers import TimerRow

Held: TypeAlias = Literal["braking", "probing", "paused"]


class Hold(msgspec.Struct, frozen=True):
    """Why a runner begins nothing new, and when it tries again at the earliest (microseconds since the epoch)."""

    state: Held
    why: str
    until: int


class Runner(Protocol):
    """Handles the records of one task, in order within a key.

    After `take`, the position of the batch's topic moves as its records are handled; a record that fails is handed to
    the boundary, so a runner never raises for the sake of one record.
    """

    def take(self, batch: RecordBatch) -> None: ...

    def redeliver(self, delivery: Delivery) -> None:
        """A retry is due, or an operator has sent a letter back; the boundary says whether it is its turn."""
        ...

    def drain(self, key: bytes) -> None:
        """The key's head was handled: go on with what is parked behind it, a bounded number at a time."""
        ...

    def fire(self, timer: TimerRow) -> None: ...

    def backlog(self) -> int:
        """Records taken but not yet begun."""
        ...

    def in_flight(self) -> int:
        """Records begun but not yet done."""
        ...

    def room(self) -> int:
        """How many redeliveries or timers it takes now."""
        ...

    def go_on(self) -> None:
        """Time has passed: try what waited for it."""
        ...

    def hold(self) -> Hold | None:
        """Why nothing more should be fetched for it, if so: what it needs is away."""
        ...

    def check(self) -> None:
        """Raise what broke it, if anything did: of disk or engine, never of a record."""
        ...

    async def settle(self) -> None:
        """Begin nothing new, and wait (within a limit) until nothing is in flight."""
        ...

    def resume(self) -> None:
        """Begin again."""
        ...

    def close(self) -> None:
        """Drop everything taken; late answers are ignored."""
        ...


RunnerFactory = Callable[[Boundary], Runner]

AGAIN_US = 50_000  # between two looks at whether a record that could not be begun can be now
DRAIN_STEP = 500  # parked records of one key followed up per turn, so that a long chain does not hold up others
TURN_STEP = 2000  # records that come back per turn, of all keys, so that they do not hold up a checkpoint
