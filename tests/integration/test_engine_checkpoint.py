"""A task at exact points: between commit and disk, behind its back, and what readers see of it."""

import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaException

from app.streaming import store
from app.streaming.errors import NotActiveError, StoreInUseError
from app.streaming.kafka import topics
from app.streaming.kafka.restore import STALE_AFTER_S
from app.streaming.names import repartition_topic
from app.streaming.reader import Reader
from app.streaming.topology import Topology
from tests.engine.inside import Inside
from tests.engine.log import Log, differences, ticks
from tests.engine.topologies import counting

pytestmark = pytest.mark.anyio

KEYS = 10


class Setting:
    """A topology of one partition, and tasks of it in directories of their own."""

    def __init__(self, log: Log, topology: Topology, directory: Path) -> None:
        self.log, self.topology, self._directory = log, topology, directory
        self.tasks: list[Inside] = []
        topics.apply(log.bootstrap, topology.topics(), 1, 1)

    async def own(self, name: str) -> Inside:
        task = Inside(self.topology, self.log.bootstrap, self._directory / name)
        self.tasks.append(task)
        await task.reset()
        return task

    def directory(self, name: str) -> Path:
        return self._directory / name

    def send(self, each: int, first: int = 1) -> None:
        self.log.send(f"{self.topology.name}-in", ticks(KEYS, each, first))

    def counts(self, task: Inside) -> set[int]:
        """The counts in the store of a task."""
        assert task.owned.store is not None
        return {msgspec.msgpack.decode(row)[1] for _, row in task.owned.store.scan(b"counts\0")}

    def differences(self, each: int) -> list[str]:
        return differences(self.log, self.topology, ticks(KEYS, each), partitions=1)


@pytest.fixture
async def setting(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> AsyncIterator[Setting]:
    setting = Setting(Log(kafka), counting(unique("inside"), tmp_path, (100,)), tmp_path)
    yield setting
    for task in setting.tasks:
        await task.close()


async def test_a_store_behind_its_changelog_is_brought_up_to_it(setting: Setting) -> None:
    """As after a crash between the commit and the write to disk."""
    first = await setting.own("first")
    setting.send(5)
    await first.handle(5 * KEYS)
    await first.checkpoint()
    await first.owned.close()
    shutil.copytree(setting.directory("first"), setting.directory("behind"))
    again = await setting.own("first")
    setting.send(5, first=6)
    await again.handle(10 * KEYS)
    await again.checkpoint()
    behind = await setting.own("behind")
    assert setting.counts(behind) == {10}
    assert behind.task.state.positions[f"{setting.topology.name}-in"] == 10 * KEYS


async def test_an_owner_that_was_replaced_changes_nothing(setting: Setting) -> None:
    """Its checkpoint fails, its rows and outputs are in no topic, and its own store is as it was."""
    stale = await setting.own("stale")
    setting.send(5)
    await stale.handle(5 * KEYS)
    owner = await setting.own("owner")
    with pytest.raises(KafkaException, match="fenced"):
        await stale.checkpoint()
    assert setting.counts(stale) == set()
    await owner.handle(5 * KEYS)
    await owner.checkpoint()
    await owner.handle(5 * KEYS, repartition_topic(setting.topology.group, "by-bucket"))
    await owner.checkpoint()
    assert setting.differences(5) == []


async def test_a_reset_forgets_what_no_checkpoint_committed(setting: Setting) -> None:
    """The records are handled again, once, by the same owner."""
    task = await setting.own("a")
    setting.send(5)
    await task.handle(3 * KEYS)
    await task.reset()
    await task.handle(5 * KEYS)
    await task.checkpoint()
    assert setting.counts(task) == {5}


async def test_readers_see_only_what_is_committed(setting: Setting) -> None:
    """Neither rows of the next checkpoint, nor those of a task that this worker does not own."""
    task = await setting.own("a")
    answers = {"member": True}
    reader = Reader({0: task.owned}.get, task.fetcher.ends, lambda: answers["member"])

    def seen() -> tuple[Any, int]:
        row = reader.get("counts", 0, ("key-1",))
        return (row.count if row else None), reader.standing(0).position[f"{setting.topology.name}-in"]

    setting.send(2)
    await task.handle(2 * KEYS)
    assert seen() == (None, 0)
    await task.checkpoint()
    assert seen() == (2, 2 * KEYS)
    answers["member"] = False
    with pytest.raises(NotActiveError):
        reader.get("counts", 0, ("key-1",))
    with pytest.raises(NotActiveError):
        reader.get("counts", 1, ("key-1",))


async def test_a_store_that_is_too_old_is_rebuilt(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletions that its changelogs have forgotten would rise again from it."""
    first = await setting.own("a")
    setting.send(3)
    await first.handle(3 * KEYS)
    await first.checkpoint()
    assert first.owned.store is not None
    monkeypatch.setattr(store, "time", SimpleNamespace(time=lambda: time.time() - STALE_AFTER_S))
    first.owned.store.write({b"counts\0ghost": msgspec.msgpack.encode(["ghost", 99, 99, 0, b""])}.items(), {})
    monkeypatch.undo()
    await first.owned.close()
    assert setting.counts(await setting.own("a")) == {3}


async def test_a_store_that_cannot_be_read_is_rebuilt(setting: Setting) -> None:
    """It holds nothing that its changelogs do not."""
    first = await setting.own("a")
    setting.send(3)
    await first.handle(3 * KEYS)
    await first.checkpoint()
    await first.owned.close()
    (current,) = setting.directory("a").glob("*/CURRENT")
    current.write_text("no manifest\n")
    assert setting.counts(await setting.own("a")) == {3}


async def test_a_store_in_use_is_refused(setting: Setting) -> None:
    """Two workers on one directory: the message names the setting that parts them."""
    await setting.own("a")
    with pytest.raises(StoreInUseError, match="ORDERFLOW_DATA"):
        await setting.own("a")
