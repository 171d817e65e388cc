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
    """Rows of one task, in memory as they are stored: typed only while they are looked at. `dirty` are the changes of
    the next checkpoint; None deletes."""

    def __init__(self, spec: TableSpec[RowT], changelog: str) -> None:
        self.spec, self.changelog = spec, changelog
        self._encode, self._decode, self._limit = spec.encode, spec.decode, spec.limit
        self._cache = RowCache()
        self._rows = self._cache.rows
        self.dirty: dict[bytes, bytes | None] = {}
        self._committed: Rows | None = None

    def open(self, committed: Rows) -> None:
        """Back to what is durable: drops every change that no checkpoint has committed."""
        self._committed = committed
        self._cache.clear()
        self.dirty = {}

    def load(self, keys: Iterable[bytes]) -> None:
        """Have the rows of `keys` in memory: many are read faster at once."""
        missing = list(self._cache.missing(keys))
        if missing and self._committed is not None:
            prefix, size = self.spec.prefix, 0
            for key, row in zip(missing, self._committed.get_many([prefix + key for key in missing]), strict=True):
                self._rows[key] = row
                size += len(row or b"")
            self._cache.stored += size

    def get(self, key: bytes) -> RowT | None:
        """The row as the task sees it, uncommitted changes included."""
        try:
            row = self._rows[key]
        except KeyError:
            self.load((key,))
            row = self._rows.get(key)
        return None if row is None else self._decode(row)

    def put(self, key: bytes, row: RowT) -> None:
        """Change the row; one over the limit is a `TooLargeError`, and nothing is changed."""
        new = self._encode(row)
        if len(new) + len(key) > self._limit:
            raise TooLargeError(
                f"row {key[:80]!r} of {self.spec.name} would be {len(new)} bytes, the limit is {self._limit}; "
                "split what it collects over several keys"
            )
        self._set(key, new)

    def delete(self, key: bytes) -> None:
        self._set(key, None)

    def _set(self, key: bytes, new: bytes | None) -> None:
        rows = self._rows
        self._cache.stored += len(new or b"") - len(rows.get(key) or b"")
        rows[key] = self.dirty[key] = new

    def take_changes(self) -> dict[bytes, bytes | None]:
        """The changes of the checkpoint that begins; what follows belongs to the next."""
        taken, self.dirty = self.dirty, {}
        return taken

    @property
    def cached_bytes(self) -> int:
        """What its rows take in memory, about."""
        return self._cache.size

    def make_room(self, limit: int) -> None:
        """Let go of the cached rows that were not used for longest, until all take `limit` bytes or less. None may be
        on its way to the disk; changed ones stay."""
        self._cache.make_room(limit, self.dirty)


AnyTable = TaskTable[Any]
