"""A store that ends with its process, for tasks that run without a broker."""

from collections.abc import Iterator


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
