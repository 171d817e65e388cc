"""Decoded rows in memory, in generations: those that were not used for longest are let go of together."""

from collections.abc import Iterable
from itertools import repeat
from typing import Generic, TypeVar

RowT = TypeVar("RowT")

# What a decoded row takes in memory, measured on rows of 20 to 300 bytes: its key, its places in dictionaries and its
# objects, beside a multiple of its encoded size.
ROW_OVERHEAD = 400
DECODED = 5
FIRST_GUESS = 200

GENERATIONS = 3


class _Generation(Generic[RowT]):
    """Rows that were not used since; `size` is what they take."""

    def __init__(self, rows: dict[bytes, RowT | None], sizes: dict[bytes, int], size: int) -> None:
        self.rows, self.sizes, self.size = rows, sizes, size


class RowCache(Generic[RowT]):
    """`rows` are the youngest generation, the same dictionary always; None is a row that does not exist. A row of an
    older generation that is asked for becomes young."""

    def __init__(self) -> None:
        self.rows: dict[bytes, RowT | None] = {}
        self._mean = FIRST_GUESS
        self.clear()

    def clear(self) -> None:
        self.rows.clear()
        self._sizes: dict[bytes, int] = {}
        self._encoded = 0
        self._older: list[_Generation[RowT]] = []  # the oldest comes first

    @property
    def _young(self) -> int:
        """Rows that nobody has measured yet are like the others."""
        unmeasured = len(self.rows) - len(self._sizes)
        return (self._encoded + unmeasured * self._mean) * DECODED + len(self.rows) * ROW_OVERHEAD

    @property
    def size(self) -> int:
        """The bytes that all rows take, about."""
        return self._young + sum([generation.size for generation in self._older])

    def missing(self, keys: Iterable[bytes]) -> set[bytes]:
        """Which of these rows are in no generation."""
        wanted = {*keys}.difference(self.rows)
        if wanted:
            for generation in self._older:
                if again := wanted.intersection(generation.rows):
                    self._rejuvenate(generation, again)
                    wanted -= again
        return wanted

    def _rejuvenate(self, generation: _Generation[RowT], keys: set[bytes]) -> None:
        for key in keys:
            self.rows[key] = generation.rows.pop(key)
            size = generation.sizes.pop(key, self._mean)
            self._sizes[key] = size
            self._encoded += size
            generation.size -= size * DECODED + ROW_OVERHEAD

    def measured(self, sizes: dict[bytes, int]) -> None:
        """The encoded sizes of some of the rows, new or changed."""
        if sizes:
            total = sum(sizes.values())
            self._encoded += total - sum(map(self._sizes.get, sizes, repeat(0)))
            self._sizes.update(sizes)
            self._mean = total // len(sizes)

    def make_room(self, limit: int, keep: dict[bytes, RowT | None]) -> None:
        """Let go of the rows that were not used for longest, but not of those in `keep`, until all take `limit` bytes
        or less."""
        share = limit // GENERATIONS
        if self._young > share and self.size > limit - share:
            self._age(keep)
        while self._older and self.size > limit:
            del self._older[0]
        if self.size > limit:
            self._age(keep)
            self._older.clear()

    def _age(self, keep: dict[bytes, RowT | None]) -> None:
        """A new youngest generation begins, with the rows of `keep`."""
        size, rows, sizes = self._young, self.rows.copy(), self._sizes
        self.rows.clear()
        self.rows.update(keep)
        self._sizes = {key: sizes.pop(key) for key in keep if key in sizes}
        self._encoded = sum(self._sizes.values())
        for key in keep:
            rows.pop(key, None)
        self._older.append(_Generation(rows, sizes, size - self._young))
