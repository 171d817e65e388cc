"""Decoded rows in memory, the less lately used of which can be shed."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Generic, TypeVar

RowT = TypeVar("RowT")

# What a decoded row takes in memory, measured on rows of 20 to 300 bytes: its key, its places in dictionaries and its
# objects, beside a multiple of its encoded size.
ROW_OVERHEAD = 400
DECODED = 5
FIRST_GUESS = 200


class RowCache(Generic[RowT]):
    """Two generations: `rows` are the younger one, the same dictionary always; None is a row that does not exist.

    A row of the older generation that is asked for becomes young; the others are shed, those first that have been old
    for longest.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, RowT | None] = {}
        self._mean = FIRST_GUESS
        self.clear()

    def clear(self) -> None:
        self.rows.clear()
        self._sizes: dict[bytes, int] = {}
        self._encoded = 0
        self._older: dict[bytes, RowT | None] = {}
        self._older_sizes: dict[bytes, int] = {}
        self._older_bytes = 0
        self._oldest_first: Iterator[bytes] = iter(())

    @property
    def young(self) -> int:
        """The bytes that the younger generation takes, about; rows that nobody has measured yet are like the others."""
        unmeasured = len(self.rows) - len(self._sizes)
        return (self._encoded + unmeasured * self._mean) * DECODED + len(self.rows) * ROW_OVERHEAD

    @property
    def size(self) -> int:
        """The bytes that all rows take, about."""
        return self.young + self._older_bytes

    def missing(self, keys: Iterable[bytes]) -> list[bytes]:
        """Which of these rows are in neither generation."""
        rows, older = self.rows, self._older
        wanted = {*keys}.difference(rows)
        if older:
            for key in wanted.intersection(older):
                rows[key] = older[key]
                self._sizes[key] = self._forget(key)
                self._encoded += self._sizes[key]
                wanted.discard(key)
        return list(wanted)

    def measured(self, sizes: dict[bytes, int]) -> None:
        """The encoded sizes of some of the rows, new or changed."""
        if sizes:
            total = sum(sizes.values())
            self._encoded += total - sum(map(self._sizes.get, sizes, repeat(0)))
            self._sizes.update(sizes)
            self._mean = total // len(sizes)

    def shed(self, excess: int, keep: dict[bytes, RowT | None]) -> int:
        """Let go of rows that take as many bytes together, but not of those in `keep`; answers the bytes."""
        before = self.size
        self._shed_older(excess)
        if (left := excess - before + self.size) > 0:
            self.age(keep)
            self._shed_older(left)
        return before - self.size

    def _shed_older(self, excess: int) -> None:
        until = self._older_bytes - excess
        while self._older_bytes > until and (key := next(self._oldest_first, None)) is not None:
            if key in self._older:
                self._forget(key)

    def _forget(self, key: bytes) -> int:
        """A row is no longer of the older generation; answers its encoded size."""
        del self._older[key]
        size = self._older_sizes.pop(key)
        self._older_bytes -= size * DECODED + ROW_OVERHEAD
        return size

    def age(self, keep: dict[bytes, RowT | None]) -> None:
        """The younger generation goes over to the older one, save for the rows of `keep`."""
        self._older_sizes |= {key: self._sizes.get(key, self._mean) for key in self.rows if key not in keep}
        self._older |= self.rows
        for key in keep:
            self._older.pop(key, None)
            self._older_sizes.pop(key, None)
        self._older_bytes = sum(self._older_sizes.values()) * DECODED + len(self._older) * ROW_OVERHEAD
        self._oldest_first = iter(list(self._older))
        self._sizes = {key: self._sizes[key] for key in keep if key in self._sizes}
        self._encoded = sum(self._sizes.values())
        self.rows.clear()
        self.rows.update(keep)
