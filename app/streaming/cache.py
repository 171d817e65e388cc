"""Stored rows in memory, in generations: those that were not used for longest are let go of together."""

from collections.abc import Iterable

# What a row takes in memory beside the bytes of its stored form, measured with keys of 36 bytes: its key, and its
# places in dictionaries.
ROW_OVERHEAD = 200

GENERATIONS = 8  # one is let go of at a time: with few, much of the memory would stand empty


class _Generation:
    """Rows that were not used since; `size` is what they take."""

    def __init__(self, rows: dict[bytes, bytes | None], size: int) -> None:
        self.rows, self.size = rows, size


class RowCache:
    """`rows` are the youngest generation, the same dictionary always; None is a row that does not exist. A row of an
    older generation that is asked for becomes young. Whoever changes `rows` keeps `stored`, their bytes, up to date.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        self.clear()

    def clear(self) -> None:
        self.rows.clear()
        self.stored = 0
        self._older: list[_Generation] = []  # the oldest comes first

    @property
    def _young(self) -> int:
        return self.stored + len(self.rows) * ROW_OVERHEAD

    @property
    def size(self) -> int:
        """The bytes that all rows take, about."""
        return self._young + sum([generation.size for generation in self._older])

    def missing(self, keys: Iterable[bytes]) -> set[bytes]:
        """Which of these rows are in no generation."""
        rows = self.rows
        wanted = {key for key in keys if key not in rows}
        if wanted:
            # the latest first: what was written unread is not what an older one holds
            for generation in reversed(self._older):
                if again := generation.rows.keys() & wanted:
                    self._rejuvenate(generation, again)
                    wanted -= again
        return wanted

    def _rejuvenate(self, generation: _Generation, keys: set[bytes]) -> None:
        for key in keys:
            row = self.rows[key] = generation.rows.pop(key)
            size = len(row or b"")
            self.stored += size
            generation.size -= size + ROW_OVERHEAD

    def make_room(self, limit: int, keep: dict[bytes, bytes | None]) -> None:
        """Let go of the rows that were not used for longest, but not of those in `keep`, until all take `limit` bytes
        or less."""
        share = limit // GENERATIONS
        # rows that take half of it or less may well be all that there are
        if self._young > share and self.size > limit // 2:
            self._age(keep)
        while self._older and self.size > limit:
            del self._older[0]
        if self.size > limit:
            self._age(keep)
            self._older.clear()

    def _age(self, keep: dict[bytes, bytes | None]) -> None:
        """A new youngest generation begins, with the rows of `keep`."""
        size, rows = self._young, self.rows.copy()
        self.rows.clear()
        self.rows.update(keep)
        self.stored = sum([len(row or b"") for row in keep.values()])
        for key in keep:
            rows.pop(key, None)
        self._older.append(_Generation(rows, size - self._young))
