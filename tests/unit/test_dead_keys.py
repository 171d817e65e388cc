"""Keys behind a dead record, when the policy of their topology changes."""

import msgspec
import pytest

from app.errors import PermanentError
from app.streaming.policy import FailurePolicy
from app.streaming.projection import Projections
from app.streaming.record import Record, RecordBatch
from app.streaming.table import TableSpec
from app.streaming.task import Task
from app.streaming.topology import StructCodec, Topology
from app.streaming.volatile import MemoryStore

BAD = "bad"


class Text(msgspec.Struct, frozen=True):
    key: str
    text: str


class Last(msgspec.Struct, frozen=True):
    text: str


def fold(row: Last | None, text: Text) -> Last:
    if text.text == BAD:
        raise PermanentError("as told")
    return Last(text.text)


def task_on(store: MemoryStore, positions: dict[str, int], *, goes_on: bool) -> Task:
    topology = Topology("keys", FailurePolicy((), goes_on=goes_on))
    source = topology.source("in", StructCodec(Text, lambda text: text.key))
    Projections(topology).add(source, into=TableSpec("lasts", Last), fold=fold)
    task = Task(topology, 0, lambda: 0)
    task.open(store, dict.fromkeys(topology.input_topics, 0) | positions)
    return task


def commit(task: Task, store: MemoryStore) -> dict[str, int]:
    snapshot = task.state.snapshot()
    store.write(dict(snapshot.stored_rows()))
    return snapshot.positions


@pytest.mark.parametrize(("goes_on", "expected"), [(True, Last("good")), (False, None)])
def test_keys_that_are_blocked_go_on_once_the_policy_says_so(goes_on: bool, expected: Last | None) -> None:
    store = MemoryStore()
    task = task_on(store, {}, goes_on=False)
    values = [msgspec.msgpack.encode(Text("k", text)) for text in (BAD, "good")]
    records = [Record("in", 0, offset, 0, b"k", value, []) for offset, value in enumerate(values)]
    task.take(RecordBatch.of("in", 0, 0, 2, records))
    positions = commit(task, store)
    again = task_on(store, positions, goes_on=goes_on)
    again.tick()
    assert again.state.tables["lasts"].get(b"k") == expected
    assert (b"k" in again.parking.blocked) != goes_on
