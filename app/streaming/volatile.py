"""What tasks that run without a broker keep in memory: a store, and all that outlives the death of a task."""

from collections.abc import Iterator

from app.streaming.state import Snapshot


class MemoryStore:
    """Committed rows of one task."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return [self._rows.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        found = sorted(key for key in self._rows if key.startswith(prefix) and (after is None or key > after))
        return ((key, self._rows[key]) for key in found)

    def write(self, rows: dict[bytes, bytes | None]) -> None:
        for key, data in rows.items():
            if data is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = data


class Durable:
    """What is left of a task that dies: what its transactions have committed, and its disk, which may lag behind."""

    def __init__(self, positions: dict[str, int]) -> None:
        self.positions = positions
        self._changelog: list[tuple[bytes, bytes | None]] = []
        self.store, self._replayed = MemoryStore(), 0

    def commit(self, snapshot: Snapshot) -> None:
        """As a transaction does: changelog and positions together."""
        self._changelog += snapshot.stored_rows()
        self.positions = self.positions | snapshot.positions

    def restore(self) -> None:
        """Bring the disk up to the changelog: the last step of a checkpoint, or the first of a new life."""
        self.store.write(dict(self._changelog[self._replayed :]))
        self._replayed = len(self._changelog)

    def lose_disk(self) -> None:
        self.store, self._replayed = MemoryStore(), 0
