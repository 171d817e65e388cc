"""The store of a task on disk, and the table over it."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.streaming.errors import StoreDamagedError, TooLargeError
from app.streaming.memory import StateMemory
from app.streaming.state import TaskState
from app.streaming.store import Store
from app.streaming.table import TableSpec, TaskTable, key_prefix, row_key
from app.streaming.volatile import MemoryStore


class Row(msgspec.Struct, frozen=True, array_like=True):
    text: str


ROWS = TableSpec("rows", Row, limit=20)


@pytest.fixture
def memory() -> StateMemory:
    return StateMemory(16)


@pytest.fixture
def store(tmp_path: Path, memory: StateMemory) -> Iterator[Store]:
    store = Store(tmp_path / "store", memory)
    yield store
    store.close()


def test_rows_and_positions_are_there_after_it_was_opened_again(tmp_path: Path, memory: StateMemory) -> None:
    """Positions never move back."""
    first = Store(tmp_path / "store", memory)
    first.write({b"a": b"1", b"b": b"2"}.items(), {"log": 7})
    first.write({b"a": None}.items(), {"log": 5, "other": 3})
    first.close()
    again = Store(tmp_path / "store", memory)
    assert again.get_many([b"a", b"b"]) == [None, b"2"]
    assert again.positions.changelogs == {"log": 7, "other": 3}
    again.close()


def test_a_scan_is_of_its_prefix_alone(store: Store) -> None:
    store.write({b"a\x00": b"1", b"a\x00k": b"2", b"a\x01": b"3", b"b": b"4"}.items(), {})
    assert [key for key, _ in store.scan(b"a\x00")] == [b"a\x00", b"a\x00k"]
    assert [key for key, _ in store.scan(b"a\x00", after=b"a\x00")] == [b"a\x00k"]


def test_a_scan_that_meets_a_damaged_block_does_not_look_like_the_end(tmp_path: Path, memory: StateMemory) -> None:
    """Timers and parked records would be gone without a word."""
    first = Store(tmp_path / "store", memory)
    first.write({b"a\x00%04d" % number: random.randbytes(100) for number in range(1000)}.items(), {})
    first.close()
    (file,) = first.path.glob("*.sst")
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(bytes(64))
    damaged = Store(tmp_path / "store", StateMemory(16))
    with pytest.raises(StoreDamagedError, match="set aside and rebuilt"):
        list(damaged.scan(b"a\x00"))
    assert isinstance(damaged.failure, StoreDamagedError)
    damaged.close()


def test_a_wiped_store_is_empty_and_new(store: Store) -> None:
    store.write({b"a": b"1"}.items(), {"log": 7})
    assert not store.is_new
    store.wipe()
    assert store.get(b"a") is None
    assert (store.is_new, store.positions.changelogs) == (True, {})


parts = st.lists(st.text(max_size=5), min_size=1, max_size=3).map(tuple)


@given(parts, parts)
def test_keys_differ_when_their_parts_do(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert (row_key(left) == row_key(right)) == (left == right) or len(left) != len(right)
    assert row_key((*left, "x")).startswith(key_prefix(left))


def table() -> tuple[TaskTable[Row], MemoryStore]:
    store = MemoryStore()
    made = TaskTable(ROWS, "log")
    made.open(store)
    return made, store


def state() -> tuple[TaskState, TaskTable[Row], MemoryStore]:
    store = MemoryStore()
    made = TaskState([ROWS], lambda name: f"{name}-log", set())
    made.open(store, {})
    return made, made.tables[ROWS.name], store


def test_changes_after_a_snapshot_belong_to_the_next() -> None:
    task, rows, _ = state()
    rows.put(b"a", Row("1"))
    first = task.snapshot()
    rows.put(b"a", Row("2"))
    rows.delete(b"b")
    assert first.rows == [(rows, {b"a": ROWS.encode(Row("1"))})]
    assert rows.get(b"a") == Row("2")
    assert task.snapshot().rows == [(rows, {b"a": ROWS.encode(Row("2")), b"b": None})]


def test_what_is_not_committed_is_gone_when_it_is_opened_again() -> None:
    rows, store = table()
    store.write({ROWS.prefix + b"a": ROWS.encode(Row("old"))})
    rows.put(b"a", Row("new"))
    rows.open(store)
    assert rows.get(b"a") == Row("old")
    assert rows.dirty == {}


def test_a_row_over_the_limit_changes_nothing() -> None:
    """Its key counts too: both go into one record of the changelog."""
    rows, _ = table()
    with pytest.raises(TooLargeError, match="the limit is 20"):
        rows.put(b"key", Row("x" * 17))
    assert rows.get(b"key") is None
    assert rows.dirty == {}
