"""Answers reads from committed rows: never from changes that no checkpoint has committed."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from app.streaming.errors import NotActiveError, StoreError, TooManyRowsError, UnreadableRowError
from app.streaming.store import Store
from app.streaming.table import TableSpec, key_prefix, row_key
from app.streaming.task import Task

SCAN_LIMIT = 10_000
SELECT_STEP = 500


class Owned(Protocol):
    """A task of this worker and its store."""

    @property
    def task(self) -> Task: ...
    @property
    def store(self) -> Store | None: ...


class Standing(msgspec.Struct, frozen=True):
    """How fresh the rows of a task are: next offsets that are committed, and records known to lie behind them."""

    position: dict[str, int]
    lag: int


class Reader:
    """`is_member` says whether the group has acknowledged this worker lately: a zombie must not answer."""

    def __init__(
        self,
        owned: Callable[[int], Owned | None],
        ends: Callable[[int], dict[str, int]],
        is_member: Callable[[], bool],
    ) -> None:
        self._owned, self._ends, self._is_member = owned, ends, is_member

    def get(self, table: str, partition: int, key: tuple[str, ...]) -> Any | None:
        """The row under this key, or None; `NotActiveError` when another worker may know better, `UnreadableRowError`
        when none does."""
        task, store = self._active(partition)
        spec = task.state.tables[table].spec
        with _disk(partition):
            data = store.get(spec.prefix + row_key(key))
        return None if data is None else _decoded(spec, spec.prefix + row_key(key), data)

    def scan(self, table: str, partition: int, first: tuple[str, ...]) -> list[Any]:
        """All rows whose keys begin with these parts, in key order; more than the limit is a `TooManyRowsError`."""
        task, store = self._active(partition)
        spec = task.state.tables[table].spec
        with _disk(partition):
            found = store.scan(spec.prefix + key_prefix(first))
            rows = list(itertools.islice(found, SCAN_LIMIT + 1))
        if len(rows) > SCAN_LIMIT:
            shown = "/".join(first)
            raise TooManyRowsError(f"{table} has more than {SCAN_LIMIT} rows under {shown}; ask for one of them")
        return [_decoded(spec, key, data) for key, data in rows]

    async def select(
        self, table: str, partition: int, keep: Callable[[Any], bool], most: int
    ) -> list[tuple[bytes, Any]]:
        """The first rows that are to be kept, with their keys and in their order, of a table that may be long.

        Others have turns meanwhile.
        """
        found: list[tuple[bytes, Any]] = []
        after: bytes | None = None
        while len(found) < most:
            task, store = self._active(partition)
            spec = task.state.tables[table].spec
            with _disk(partition):
                rows = list(itertools.islice(store.scan(spec.prefix, after), SELECT_STEP))
            decoded = [(key[len(spec.prefix) :], _decoded(spec, key, data)) for key, data in rows]
            found += [one for one in decoded if keep(one[1])]
            if len(rows) < SELECT_STEP:
                break
            after = rows[-1][0]
            await asyncio.sleep(0)
        return found[:most]

    def standing(self, partition: int) -> Standing:
        task, _ = self._active(partition)
        durable, ends = task.state.durable, self._ends(partition)
        lag = sum(max(0, end - durable.get(topic, 0)) for topic, end in ends.items())
        return Standing(dict(durable), lag)

    def _active(self, partition: int) -> tuple[Task, Store]:
        owned = self._owned(partition)
        if owned is None or owned.task.status != "active" or owned.store is None or not self._is_member():
            raise NotActiveError(f"partition {partition} is not active here; ask its owner, or again in a moment")
        return owned.task, owned.store


def _decoded(spec: TableSpec[Any], key: bytes, data: bytes) -> Any:
    """The row under this full key."""
    try:
        return spec.decode(data)
    except ValueError as error:
        raise UnreadableRowError(spec.name, key[len(spec.prefix) :], error) from error


@contextlib.contextmanager
def _disk(partition: int) -> Iterator[None]:
    """What the disk cannot give is asked for again once the task is restored: the store holds on to its failure."""
    try:
        yield
    except StoreError as error:
        raise NotActiveError(f"partition {partition} cannot be read now ({error}); ask again in a moment") from error
