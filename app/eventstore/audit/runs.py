"""Sorts more than memory holds: sorted runs in files, merged when they are read."""

import heapq
from collections.abc import Iterator
from pathlib import Path

RUN_ITEMS = 100_000
_READ_ITEMS = 2_000


class SortedRuns:
    """Takes items of one size, in any order, and gives them back sorted. `directory` is the caller's to remove."""

    def __init__(self, directory: Path, item_bytes: int) -> None:
        self._directory, self._item_bytes = directory, item_bytes
        self._items: list[bytes] = []
        self._files: list[Path] = []

    def add(self, item: bytes) -> None:
        self._items.append(item)
        if len(self._items) == RUN_ITEMS:
            self._write()

    def __iter__(self) -> Iterator[bytes]:
        """Every item that was added; none may be added any more."""
        self._items.sort()
        return heapq.merge(self._items, *map(self._read, self._files))

    def _write(self) -> None:
        self._items.sort()
        file = self._directory / f"run-{len(self._files)}"
        file.write_bytes(b"".join(self._items))
        self._files.append(file)
        self._items = []

    def _read(self, file: Path) -> Iterator[bytes]:
        size = self._item_bytes
        with file.open("rb") as run:
            while part := run.read(_READ_ITEMS * size):
                yield from (part[start : start + size] for start in range(0, len(part), size))
