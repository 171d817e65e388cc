"""A table of one task: typed rows over RocksDB, with the changes of the next checkpoint on top."""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from app.streaming.cache import RowCache
from app.streaming.errors import TooLargeError

RowT = TypeVar("RowT")

ROW_LIMIT = 900_000


class TableSpec(Generic[RowT]):
    """The declaration of a table: its name, the type of its rows (a msgspec Struct, stored as MessagePack), and how
    many bytes a row may take with its key."""

    def __init__(self, name: str, row: type[RowT], limit: int = ROW_LIMIT) -> None:
        self.name, self.row, self.limit = name, row, limit
        self.prefix = name.encode() + b"\0"
        self.encode = msgspec.msgpack.Encoder().encode
        self.decode = msgspec.msgpack.Decoder(row).decode


class Rows(Protocol):
    """Committed rows by full key (prefix included)."""

    def get(self, key: bytes) -> bytes | None: ...
    def get_many(self, keys: list[bytes]) -> list[bytes | None]: ...
    def scan(self, prefix: bytes, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """(key, row) of all keys with the prefix, in key order, from past `after` when it is given."""
        ...


def row_key(parts: tuple[str, ...]) -> bytes:
    """The key of a row: each part but the last behind its length, so that keys of the same first parts are adjacent."""
    return key_prefix(parts[:-1]) + parts[-1].encode()


def key_prefix(parts: tuple[str, ...]) -> bytes:
    """What all keys that begin with `parts` begin with."""
    encoded = [part.encode() for part in parts]
    return b"".join([len(part).to_bytes(2, "big") + part for part in encoded])


class TaskTable(Generic[RowT]):
    """Rows of one task. `cache` holds rows, changed ones always among them, and is the same dictionary always; `dirty`
    the changes, None deletes."""

    def __init__(self, spec: TableSpec[RowT], changelog: str) -> None:
        self.spec, self.changelog = spec, changelog
        self._rows: RowCache[RowT] = RowCache()
        self.cache = self._rows.rows
        self.dirty: dict[bytes, RowT | None] = {}
        self._committed: Rows | None = None

    def open(self, committed: Rows) -> None:
        """Back to what is durable: drops every change that no checkpoint has committed."""
        self._committed = committed
        self._rows.clear()
        self.dirty = {}

    def load(self, keys: Iterable[bytes]) -> dict[bytes, RowT | None]:
        """Make the rows of `keys` present in the cache, and return the cache."""
        cache = self.cache
        missing = list(self._rows.missing(keys))
        if missing and self._committed is not None:
            prefix, decode = self.spec.prefix, self.spec.decode
            found = self._committed.get_many([prefix + key for key in missing])
            for key, data in zip(missing, found, strict=True):
                cache[key] = None if data is None else decode(data)
            self._rows.measured(_sizes(missing, found))
        return cache

    def get(self, key: bytes) -> RowT | None:
        """The row as the task sees it, uncommitted changes included."""
        try:
            return self.cache[key]
        except KeyError:
            return self.load((key,)).get(key)

    def put(self, key: bytes, row: RowT) -> None:
        """Change the row; one over the limit is a `TooLargeError`, and nothing is changed."""
        self._encode(key, row)
        self.cache[key] = self.dirty[key] = row

    def put_unchecked(self, key: bytes, row: RowT) -> None:
        """As `put`, but a row over the limit is found at the checkpoint: see `TaskState.careful`."""
        self.cache[key] = self.dirty[key] = row

    def delete(self, key: bytes) -> None:
        self.cache[key] = self.dirty[key] = None

    def _encode(self, key: bytes, row: RowT) -> bytes:
        data = self.spec.encode(row)
        if len(data) + len(key) > self.spec.limit:
            raise TooLargeError(
                f"row {key[:80]!r} of {self.spec.name} would be {len(data)} bytes, the limit is {self.spec.limit}; "
                "split what it collects over several keys"
            )
        return data

    def encoded(self) -> dict[bytes, bytes | None]:
        """The stored form of each row that changed; raises `TooLargeError`."""
        encode = self._encode
        rows = {key: None if row is None else encode(key, row) for key, row in self.dirty.items()}
        self._rows.measured(_sizes(rows, rows.values()))
        return rows

    @property
    def cached_bytes(self) -> int:
        """What its rows take in memory, about."""
        return self._rows.size

    def make_room(self, limit: int) -> None:
        """Let go of the cached rows that were not used for longest, until all take `limit` bytes or less. None may be
        on its way to the disk; changed ones stay."""
        self._rows.make_room(limit, self.dirty)


def _sizes(keys: Iterable[bytes], stored: Iterable[bytes | None]) -> dict[bytes, int]:
    return {key: len(data) for key, data in zip(keys, stored, strict=True) if data is not None}


AnyTable = TaskTable[Any]
