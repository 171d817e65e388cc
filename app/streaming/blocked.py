"""The rows that keep the order of a key behind a failed record; see `parking`."""

import msgspec

from app.streaming.failures import Attempt, Redrive
from app.streaming.record import RECORD_LIMIT, Headers, Record
from app.streaming.table import TableSpec

HEAD_ROOM = 2048


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The failed record: its origin, the attempt it waits for, whether it is dead, and how often it was redriven."""

    topic: str
    partition: int
    offset: int
    attempt: int
    dead: bool = False
    redrives: int = 0


class Blocked(msgspec.Struct, frozen=True, array_like=True):
    """What came behind the head has the sequence numbers `first` up to but not including `next`; those in the ranges
    of `out` (begin, end) are letters, the others are parked. `root` is the record with which the blocking began.

    Without a head the key is draining: its records are being handled, in order, up to the first that is out.
    """

    head: Head | None
    first: int = 0
    next: int = 0
    root: str = ""
    out: tuple[tuple[int, int], ...] = ()

    @property
    def parked(self) -> int:
        return self.next - self.first - sum([end - begin for begin, end in self.out])

    @property
    def waits_for_operator(self) -> bool:
        return bool(self.out) or (self.head is not None and self.head.dead)

    @property
    def is_draining(self) -> bool:
        return self.head is None and not (self.out and self.out[0][0] == self.first)


class Parked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`redrive`: it was out and has come back; `discard`: to be dropped when it is its turn."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    value: bytes | None
    headers: Headers
    redrive: Redrive | None = None
    discard: bool = False


class Follower(msgspec.Struct, frozen=True):
    """The next record of a draining key."""

    record: Record
    attempt: Attempt
    discard: bool


BLOCKED = TableSpec("blocked", Blocked, RECORD_LIMIT + 64 * HEAD_ROOM)
# many small headers take twice the room that they take in Kafka
PARKED = TableSpec("parked", Parked, 2 * RECORD_LIMIT + HEAD_ROOM)
