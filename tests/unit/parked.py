"""A parking of one task that begins anew from its rows whenever that is asked."""

from app.streaming.blocked import BLOCKED, PARKED
from app.streaming.parking import Parking
from app.streaming.record import Record
from app.streaming.table import TaskTable
from app.streaming.volatile import MemoryStore


def record(offset: int, key: bytes = b"k", at_ms: int = 0) -> Record:
    return Record("in", 0, offset, at_ms, key, str(offset).encode(), [("h", None)])


def taken_from(parking: Parking, key: bytes = b"k") -> Record | None:
    follower = parking.take(key)
    return None if follower is None else follower.record


class Parked:
    """A parking that is written to its store and opened again between any two steps."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._tables = TaskTable(BLOCKED, "blocked"), TaskTable(PARKED, "parked")
        self.reopen()

    def reopen(self) -> None:
        for table in self._tables:
            self._store.write({table.spec.prefix + key: row for key, row in table.dirty.items()})
            table.open(self._store)
        self.parking = Parking(*self._tables)
        blocked = self._store.scan(BLOCKED.prefix)
        self.parking.open((key[len(BLOCKED.prefix) :], BLOCKED.decode(row)) for key, row in blocked)

    def rows(self) -> int:
        self.reopen()
        return len(list(self._store.scan(b"")))
