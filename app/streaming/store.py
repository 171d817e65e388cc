"""The RocksDB of one task: committed rows of all its tables, and how far each changelog is in them."""

import contextlib
import gc
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from rocksdict import DbClosedError, Rdict, ReadOptions, WriteBatch, WriteOptions

from app.streaming.errors import DiskFullError, StoreDamagedError, StoreError, StoreInUseError
from app.streaming.memory import StateMemory

POSITIONS = b"\0positions"

HELD_HERE = "lock hold by current process"
LET_GO_S = 2.0
IN_USE = ("While lock file", HELD_HERE)
FULL = ("No space left on device", "Disk quota exceeded", "File too large")
OUTSIDE = ("Permission denied", "Read-only file system", "Too many open files", "Cannot allocate memory")


class Positions(msgspec.Struct, array_like=True):
    """`changelogs`: topic -> next offset to replay; `updated_at`: seconds since the epoch of the last write."""

    changelogs: dict[str, int]
    updated_at: float


class Store:
    """Opens or creates the database; a row is in it only once its transaction was committed.

    Every failure of the disk is a `StoreError`. The first one stays in `failure`: the store must then be opened again.
    Writes have no log of their own: what a crash takes from memory is replayed from the changelogs, as positions and
    rows are written together.
    """

    def __init__(self, path: Path, memory: StateMemory) -> None:
        self.path, self._memory = path, memory
        self.failure: StoreError | None = None
        self._write_options = WriteOptions()
        self._write_options.disable_wal = True
        with self._disk():
            self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.is_open = True
        try:
            self._db = self._opened()
            data = self._db.get(POSITIONS)
            self.is_new = data is None
            self.positions = msgspec.msgpack.decode(data, type=Positions) if data else Positions({}, time.time())
        except Exception:
            self.close()
            raise

    def _opened(self) -> Rdict:
        """What reads a store that has failed, such as a scan, holds its files for a moment after it was closed."""
        until = time.monotonic() + LET_GO_S
        while True:
            try:
                return Rdict(str(self.path), self._memory.options())
            except Exception as error:  # all that rocksdict raises
                if HELD_HERE not in str(error) or time.monotonic() > until:
                    raise
            gc.collect()
            time.sleep(0.05)

    def get(self, key: bytes) -> bytes | None:
        with self._disk():
            found: bytes | None = self._db.get(key)
            return found

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        with self._disk():
            found: list[bytes | None] = self._db.get(keys)
            return found

    def scan(self, prefix: bytes, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """(key, row) of all keys with the prefix, in key order, from past `after` when it is given."""
        options = ReadOptions()
        bound = prefix.rstrip(b"\xff")
        options.set_iterate_upper_bound(bound[:-1] + bytes([bound[-1] + 1]))
        rows = self._db.iter(options)
        rows.seek(after or prefix)
        while rows.valid():
            key = rows.key()
            if key != after and key.startswith(prefix):
                yield key, rows.value()
            rows.next()
        with self._disk():
            rows.status()  # a block that cannot be read looks like the end

    def write(self, rows: Iterable[tuple[bytes, bytes | None]], changelogs: dict[str, int]) -> None:
        """Rows in their order (None deletes) and changelog positions in one atomic batch; positions never move back."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, data in rows:
            if data is None:
                delete(key)
            else:
                put(key, data)
        stored = self.positions.changelogs
        moved = stored | {topic: max(offset, stored.get(topic, 0)) for topic, offset in changelogs.items()}
        positions = Positions(moved, time.time())
        batch.put(POSITIONS, msgspec.msgpack.encode(positions))
        with self._disk():
            self._db.write(batch, self._write_options)
        self.positions, self.is_new = positions, False

    def close(self) -> None:
        """Write what is in memory; where the disk does not take it, the changelogs have it."""
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(Exception):
                self._db.close()
            with contextlib.suppress(OSError):
                os.utime(self.path)  # when it was last of use

    def wipe(self) -> "Store":
        """Itself, empty: it will be rebuilt from the changelogs."""
        self.close()
        with self._disk():
            shutil.rmtree(self.path)
            self._open()
        return self

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except DbClosedError:
            raise
        except Exception as error:  # all that rocksdict raises
            if any(sign in str(error) for sign in IN_USE):
                raise StoreInUseError(
                    f"the store {self.path} is open in another process ({error}); give each worker an ORDERFLOW_DATA "
                    "of its own"
                ) from error
            self.failure = _failure(self.path, str(error))
            raise self.failure from error


def _failure(path: Path, text: str) -> StoreError:
    if any(sign in text for sign in FULL):
        return DiskFullError(f"the disk under {path} is full ({text}); make room, the task then goes on by itself")
    if any(sign in text for sign in OUTSIDE):
        return StoreError(f"the store {path} cannot be used ({text}); mend that, the task then goes on by itself")
    return StoreDamagedError(f"the store {path} cannot be read ({text}); it is set aside and rebuilt")
