"""The durable memory of a simulated party: one entry for each key in a SQLite file, whole after kill -9 or power loss.

Requests that arrive together share one commit, and none is answered before it: no answer is ahead of the ledger.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

ValueT = TypeVar("ValueT")

SCHEMA = """
create table if not exists entries (
    order_id text not null,
    order_version integer not null,
    state text not null,
    effect_id text not null,
    reason text not null,
    terms text not null,
    primary key (order_id, order_version)
) without rowid
"""
BY_KEY = "select * from entries where order_id = ? and order_version = ?"
WRITE = "insert or replace into entries values (?, ?, ?, ?, ?, ?)"
LISTED = "select * from entries where ?1 is null or order_id = ?1 order by order_id, order_version"
PAGE = 500


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a key. `terms` is what was asked for; empty when the key was voided before it was used."""

    order_id: str
    order_version: int
    state: str
    effect_id: str = ""
    reason: str = ""
    terms: Mapping[str, str | int] = {}


class Ledger:
    """Belongs to one event loop. A second process on the same file is safe, and waits for the first one's commits."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")
        self._database.execute(SCHEMA)
        self._batch: asyncio.Future[None] | None = None

    async def settle(self, decide: Callable[[], ValueT]) -> ValueT:
        """What `decide` answers after finding and writing entries, once those are on disk; `sqlite3.Error` if never."""
        batch = self._batch or self._begin()
        value = decide()
        await asyncio.shield(batch)  # one caller that leaves must not take the others' commit along
        return value

    def find(self, order_id: str, order_version: int) -> Entry | None:
        """Within `decide`: the entry of a key, those of this batch included."""
        row = self._database.execute(BY_KEY, (order_id, order_version)).fetchone()
        return _entry(row) if row else None

    def write(self, entry: Entry) -> None:
        """Within `decide`: the entry that its key has from now on."""
        terms = msgspec.json.encode(entry.terms).decode()
        row = (entry.order_id, entry.order_version, entry.state, entry.effect_id, entry.reason, terms)
        self._database.execute(WRITE, row)

    def pages(self, order_id: str | None) -> Iterator[list[Entry]]:
        """All committed entries (of one order), as they stand at the first page."""
        reader = sqlite3.connect(self._path, isolation_level=None)
        try:
            found = reader.execute(LISTED, (order_id,))
            while rows := found.fetchmany(PAGE):
                yield [_entry(row) for row in rows]
        finally:
            reader.close()

    def close(self) -> None:
        self._database.close()

    def _begin(self) -> asyncio.Future[None]:
        self._database.execute("begin immediate")
        loop = asyncio.get_running_loop()
        self._batch = loop.create_future()
        # the requests that the loop has already read come before this, so they share the commit
        loop.call_soon(self._commit, self._batch)
        return self._batch

    def _commit(self, batch: asyncio.Future[None]) -> None:
        self._batch = None
        try:
            self._database.execute("commit")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("rollback")
            batch.set_exception(error)
        else:
            batch.set_result(None)


def _entry(row: tuple[str, int, str, str, str, str]) -> Entry:
    order_id, order_version, state, effect_id, reason, terms = row
    return Entry(
        order_id=order_id,
        order_version=order_version,
        state=state,
        effect_id=effect_id,
        reason=reason,
        terms=msgspec.json.decode(terms, type=dict[str, str | int]),
    )
