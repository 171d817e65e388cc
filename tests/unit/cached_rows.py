"""A task whose rows are in memory and in a store, and that counts what it reads."""

from collections.abc import Iterable

import msgspec

from app.streaming.state import TaskState
from app.streaming.table import TableSpec, TaskTable
from app.streaming.volatile import MemoryStore


class Row(msgspec.Struct, frozen=True, array_like=True):
    text: str


ROWS = TableSpec("rows", Row)
LIMIT = 400_000


class Counted(MemoryStore):
    """Counts the rows that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        self.read += len(keys)
        return super().get_many(keys)


class Task:
    def __init__(self) -> None:
        self.store = Counted()
        self.state = TaskState([ROWS], lambda name: f"{name}-log", set())
        self.state.open(self.store, {})
        self.rows: TaskTable[Row] = self.state.tables[ROWS.name]

    def touch(self, numbers: Iterable[int], size: int = 100) -> None:
        """One batch and its checkpoint."""
        keys = [b"%08d" % number for number in numbers]
        self.rows.load(keys)
        for key in keys:
            self.rows.put(key, Row("x" * size))
        self.checkpoint()

    def checkpoint(self) -> None:
        snapshot = self.state.snapshot()
        self.store.write(dict(snapshot.stored_rows()))
        self.state.persisted(snapshot)
        self.state.make_room(LIMIT)

    def reads(self, numbers: Iterable[int]) -> int:
        """How many of these rows are not in memory."""
        before = self.store.read
        self.rows.load([b"%08d" % number for number in numbers])
        return self.store.read - before
