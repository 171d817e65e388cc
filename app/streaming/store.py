"""The RocksDB of one task: committed rows of all its tables, and how far each changelog is in them."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rocksdict import Options, Rdict, ReadOptions, WriteBatch

from app.observability.log import logger
from app.streaming.errors import StoreInUseError

log = logger(__name__)

POSITIONS = b"\0positions"


class Positions(msgspec.Struct, array_like=True):
    """`changelogs`: topic -> next offset to replay; `updated_at`: seconds since the epoch of the last write."""

    changelogs: dict[str, int]
    updated_at: float


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(16 << 20)
    options.set_max_write_buffer_number(2)
    options.set_keep_log_file_num(2)
    return options


def open_store(path: Path) -> "Store":
    """The store at that place; one that cannot be read is begun anew, since its changelogs hold all of it."""
    try:
        return Store(path)
    except Exception as error:  # all that rocksdict raises
        if "lock" in str(error).lower():
            raise StoreInUseError(
                f"the store {path} is open in another process ({error}); give each worker an ORDERFLOW_DATA of its own"
            ) from error
        log.error("store.wiped", path=str(path), reason=f"it cannot be read: {error}")
        shutil.rmtree(path)
        return Store(path)


class Store:
    """Opens or creates the database; a row is in it only once its transaction was committed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = Rdict(str(path), _options())
        data = self._db.get(POSITIONS)
        self.positions = msgspec.msgpack.decode(data, type=Positions) if data else Positions({}, time.time())

    def get(self, key: bytes) -> bytes | None:
        found: bytes | None = self._db.get(key)
        return found

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        found: list[bytes | None] = self._db.get(keys)
        return found

    def scan(self, prefix: bytes, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """(key, row) of all keys with the prefix, in key order, from past `after` when it is given."""
        options = ReadOptions()
        bound = prefix.rstrip(b"\xff")
        options.set_iterate_upper_bound(bound[:-1] + bytes([bound[-1] + 1]))
        for key, value in self._db.items(from_key=after or prefix, read_opt=options):
            if key != after and key.startswith(prefix):
                yield key, value

    def write(self, rows: dict[bytes, bytes | None], changelogs: dict[str, int]) -> None:
        """Rows (None deletes) and changelog positions in one atomic batch; positions never move back."""
        batch = WriteBatch(raw_mode=True)
        for key, data in rows.items():
            if data is None:
                batch.delete(key)
            else:
                batch.put(key, data)
        stored = self.positions.changelogs
        for topic, offset in changelogs.items():
            stored[topic] = max(offset, stored.get(topic, 0))
        self.positions.updated_at = time.time()
        batch.put(POSITIONS, msgspec.msgpack.encode(self.positions))
        self._db.write(batch)

    def close(self) -> None:
        self._db.close()

    def wipe(self) -> "Store":
        """An empty store at the same place: it will be rebuilt from the changelogs."""
        self.close()
        shutil.rmtree(self.path)
        return Store(self.path)
