"""Decoded rows in two generations: those touched since the last one ended, and those of the one before."""

from collections.abc import Iterable
from itertools import repeat
from typing import Generic, TypeVar

RowT = TypeVar("RowT")

# What a decoded row takes in memory, measured on rows of 20 to 300 bytes: its key, its places in dictionaries and its
# objects, beside a multiple of its encoded size.
ROW_OVERHEAD = 400
DECODED = 5


class RowCache(Generic[RowT]):
    """`rows` are the younger generation, the same dictionary always; None is a row that is known not to exist."""

    def __init__(self) -> None:
        self.rows: dict[bytes, RowT | None] = {}
        self._sizes: dict[bytes, int] = {}
        self._encoded = 0
        self._older: dict[bytes, RowT | None] = {}
        self._older_sizes: dict[bytes, int] = {}

    @property
    def size(self) -> int:
        """What the younger generation takes, so far as its rows were measured."""
        return self._encoded * DECODED + len(self._sizes) * ROW_OVERHEAD

    def clear(self) -> None:
        self.rows.clear()
        self._sizes.clear()
        self._encoded = 0
        self._older, self._older_sizes = {}, {}

    def missing(self, keys: Iterable[bytes]) -> list[bytes]:
        """Which of these rows are in neither generation; those of the older one become young."""
        rows, older = self.rows, self._older
        wanted = {*keys}.difference(rows)
        if older:
            for key in wanted.intersection(older):
                rows[key] = older.pop(key)
                wanted.discard(key)
                self._encoded += self._sizes.setdefault(key, self._older_sizes.pop(key, 0))
        return list(wanted)

    def measured(self, sizes: dict[bytes, int]) -> None:
        """The encoded sizes of some of the rows, new or changed."""
        self._encoded += sum(sizes.values()) - sum(map(self._sizes.get, sizes, repeat(0)))
        self._sizes.update(sizes)

    def age(self, keep: dict[bytes, RowT | None]) -> None:
        """Forget the older generation; the younger one becomes it, save for the rows of `keep`, which stay young."""
        self._older, self._older_sizes = self.rows.copy(), self._sizes
        self.rows.clear()
        self._sizes, self._encoded = {}, 0
        for key in keep:
            self._older.pop(key, None)
        self.rows.update(keep)
