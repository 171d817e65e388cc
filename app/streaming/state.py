"""All that one checkpoint of a task makes durable together: rows, outputs, positions."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from app.streaming.errors import TooLargeError, UndeclaredTopicError
from app.streaming.record import Output, size_of
from app.streaming.table import AnyTable, Rows, TableSpec, TaskTable

OUTPUT_LIMIT = 1_000_000  # bytes; what a topic takes by default, less room for framing
OUTPUT_OVERHEAD = 150  # what one takes in memory beside the bytes of its record
SAMPLED = 16


class Snapshot(msgspec.Struct, frozen=True):
    """What a checkpoint writes. Positions are next offsets of the sources that have moved, by topic: an offset that is
    committed once more is work for the brokers all the same."""

    rows: list[tuple[AnyTable, dict[bytes, bytes | None]]]
    outputs: list[Output]
    positions: dict[str, int]

    def stored_rows(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The rows under their keys in the store."""
        for table, rows in self.rows:
            prefix = table.spec.prefix
            for key, data in rows.items():
                yield prefix + key, data


class TaskState:
    """The task's tables, pending outputs and positions. A reset loses everything that is not committed."""

    def __init__(self, specs: list[TableSpec[Any]], changelog: Callable[[str], str], output_topics: set[str]) -> None:
        self._output_topics = output_topics
        self.tables: dict[str, AnyTable] = {spec.name: TaskTable(spec, changelog(spec.name)) for spec in specs}
        self.outputs: list[Output] = []
        self.positions: dict[str, int] = {}
        self.durable: dict[str, int] = {}

    def open(self, committed: Rows, positions: dict[str, int]) -> None:
        """Start from what is durable."""
        for table in self.tables.values():
            table.open(committed)
        self.outputs, self.positions, self.durable = [], dict(positions), dict(positions)

    def checked(self, output: Output) -> Output:
        """The output, once it is known that its topic takes it: else this is a permanent error of its record, found
        before anything is produced, since the transaction of the whole task would fail of it again and again."""
        if output.topic not in self._output_topics:
            raise UndeclaredTopicError(f"an output to {output.topic}, which the topology does not declare")
        if size_of(output) > OUTPUT_LIMIT:
            raise TooLargeError(f"an output of {size_of(output)} bytes to {output.topic}; the limit is {OUTPUT_LIMIT}")
        return output

    def has_effects(self) -> bool:
        return bool(self.outputs) or self.has_changed_rows()

    def has_changed_rows(self) -> bool:
        return any(table.dirty for table in self.tables.values())

    def has_moved(self) -> bool:
        return self.positions != self.durable

    def snapshot(self) -> Snapshot:
        """Take the changes since the last snapshot; what follows belongs to the next."""
        rows = [(table, table.take_changes()) for table in self.tables.values() if table.dirty]
        outputs, self.outputs = self.outputs, []
        moved = {topic: offset for topic, offset in self.positions.items() if self.durable.get(topic) != offset}
        return Snapshot(rows, outputs, moved)

    def persisted(self, snapshot: Snapshot) -> None:
        self.durable = self.durable | snapshot.positions

    @property
    def cached_bytes(self) -> int:
        """What rows take in memory, those of the next checkpoint included, about."""
        return sum([table.cached_bytes for table in self.tables.values()])

    @property
    def output_bytes(self) -> int:
        """What the outputs of the next checkpoint take, by a sample: there may be a million."""
        sample = self.outputs[:: 1 + len(self.outputs) // SAMPLED]
        return sum([size_of(output) + OUTPUT_OVERHEAD for output in sample]) * len(self.outputs) // max(1, len(sample))

    def make_room(self, limit: int) -> None:
        """Keep the cached rows within `limit` bytes, of small tables rather than of large ones; all snapshots are
        persisted."""
        for table in sorted(self.tables.values(), key=lambda table: table.cached_bytes):
            table.make_room(limit)
            limit = max(0, limit - table.cached_bytes)
