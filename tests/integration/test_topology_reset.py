"""A topology is taken back to a start, from any point at which that was broken off, and is then the fold again."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from typer.testing import CliRunner

from app.cli.topics import declared
from app.cli.topology import cli as topology_command
from app.config import load
from app.streaming.errors import GroupActiveError, ResetUnfinishedError, StartRequiredError
from app.streaming.kafka import topics
from app.streaming.kafka.reset import reset
from app.streaming.names import repartition_topic
from app.streaming.topology import Topology
from tests.engine.cluster import Cluster
from tests.engine.inside import Inside
from tests.engine.log import Log, ticks
from tests.engine.topologies import Count, Total, bucket_of, counting

KEYS = 10
DELAYS_MS = (100,)

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from app.streaming.kafka.reset import reset
from tests.engine.topologies import counting
left = int(sys.argv[4])

def tell(step):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(reset(sys.argv[1], counting(sys.argv[2], Path(sys.argv[3]), (100,)), 1, None, tell))
"""


def quietly(step: str) -> None:
    """Nobody looks."""


class Setting:
    """A topology of one partition with records in all its topics, and its task on a disk that stays."""

    def __init__(self, log: Log, topology: Topology, directory: Path) -> None:
        self.log, self.topology, self.directory = log, topology, directory
        topics.apply(log.bootstrap, topology.topics(), 1, 1)

    def send(self, each: int, first: int = 1) -> None:
        self.log.send(f"{self.topology.name}-in", ticks(KEYS, each, first))

    async def work(self, disk: str, position: int) -> dict[str, Any]:
        """Handle all there is up to a position of the source, and its shares; answers the rows of the disk."""
        task = Inside(self.topology, self.log.bootstrap, self.directory / disk)
        try:
            await task.reset()
            await task.handle(position)
            await task.checkpoint()
            shares = repartition_topic(self.topology.group, "by-bucket")
            await task.handle(self.log.ends(shares, 1)[0], shares)
            await task.checkpoint()
            assert task.owned.store is not None
            tables = task.task.state.tables
            rows = [tables[name].spec.decode(row) for name in ("counts", "totals")
                    for _, row in task.owned.store.scan(tables[name].spec.prefix)]  # fmt: skip
            return {row.key if isinstance(row, Count) else row.bucket: row for row in rows}
        finally:
            await task.close()


def right(rows: dict[str, Any], each: int) -> bool:
    """Whether these are the counts of `each` ticks a key, and nothing else."""
    shares = Counter(bucket_of(f"key-{key}") for key in range(KEYS))
    counts = {f"key-{key}": Count(f"key-{key}", each, each) for key in range(KEYS)}
    return rows == counts | {bucket: Total(bucket, each * keys) for bucket, keys in shares.items()}


@pytest.fixture
def setting(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Setting:
    return Setting(Log(kafka), counting(unique("rebuilt"), tmp_path, DELAYS_MS), tmp_path)


@pytest.mark.anyio
async def test_a_reset_topology_is_built_anew_on_disks_that_knew_the_old(setting: Setting) -> None:
    """Also on one that was left long before, and on a new one; its changelogs hold nothing of before."""
    setting.send(3)
    assert right(await setting.work("left", 3 * KEYS), 3)
    setting.send(2, first=4)
    assert right(await setting.work("used", 5 * KEYS), 5)
    await reset(setting.log.bootstrap, setting.topology, 1, None, quietly)
    for table in setting.topology.tables:
        assert setting.log.records(setting.topology.changelog(table), 1) == []
    topics.check(setting.log.bootstrap, setting.topology.topics(), 1)
    for disk in ("used", "left", "new"):
        assert right(await setting.work(disk, 5 * KEYS), 5), disk


@pytest.mark.anyio
async def test_a_reset_that_was_killed_is_run_again(setting: Setting) -> None:
    """After the first commit, amid the deletion, before the last commit; workers refuse until it has ended."""
    setting.send(3)
    for step in (2, 3, 4):
        assert right(await setting.work("a", 3 * KEYS), 3)
        command = [sys.executable, "-c", KILLED, setting.log.bootstrap, setting.topology.name]
        done = subprocess.run([*command, str(setting.directory), str(step)], timeout=60)
        assert done.returncode == -signal.SIGKILL
        topics.apply(setting.log.bootstrap, setting.topology.topics(), 1, 1)  # as the check of the topics may ask for
        with pytest.raises(ResetUnfinishedError, match=f"orderflow topology reset {setting.topology.name}"):
            await setting.work("a", 3 * KEYS)
        await reset(setting.log.bootstrap, setting.topology, 1, None, quietly)
    assert right(await setting.work("a", 3 * KEYS), 3)


@pytest.mark.anyio
async def test_an_owner_that_wakes_up_after_the_reset_commits_nothing(setting: Setting) -> None:
    setting.send(3)
    sleeper = Inside(setting.topology, setting.log.bootstrap, setting.directory / "sleeper")
    await sleeper.reset()
    await sleeper.handle(3 * KEYS)
    await reset(setting.log.bootstrap, setting.topology, 1, None, quietly)
    with pytest.raises(KafkaException, match="fenced"):
        await sleeper.checkpoint()
    await sleeper.close()
    assert right(await setting.work("a", 3 * KEYS), 3)


@pytest.mark.anyio
async def test_a_reset_waits_for_workers_to_be_stopped_and_for_a_start_to_be_told(
    kafka: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """It names who is alive. What acts on the outside world acts again on what it reads again."""
    with Cluster(Log(kafka), tmp_path, "acting", unique("acts")) as cluster:
        topology, source = cluster.topology, cluster.source
        worker = cluster.start("the-worker")
        cluster.ready(worker)
        cluster.log.send(source, ticks(KEYS, 2))
        cluster.quiet()
        with pytest.raises(GroupActiveError, match=f"live members: the-worker@127.0.0.1:{worker.order.port}"):
            await reset(kafka, topology, 4, "latest", quietly)
        assert worker.stop() == 0
        with pytest.raises(StartRequiredError, match=r"--from earliest\|latest\|TIME"):
            await reset(kafka, topology, 4, None, quietly)
        calls = (tmp_path / "shared" / "calls").read_text()
        await reset(kafka, topology, 4, "latest", quietly)
        cluster.ready(cluster.start("the-worker"))
        cluster.log.send(source, ticks(KEYS, 1, first=3))
        cluster.quiet()
        made = (tmp_path / "shared" / "calls").read_text().removeprefix(calls).split("\n")
        assert sorted(made) == sorted(["", *(f"key-{key} 3" for key in range(KEYS))])


def test_the_command_resets_a_topology_of_the_product(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells what it does, and what to do next; it refuses where a start must be told."""
    monkeypatch.setenv("ORDERFLOW_KAFKA", kafka)
    topics.apply(kafka, declared(load()), 4, 1)
    done = CliRunner().invoke(topology_command, ["reset", "order-views"])
    assert done.exit_code == 0, done.output
    assert "orderflow-order-views-order_summaries-changelog" in done.output
    assert "start its workers" in done.output
    refused = CliRunner().invoke(topology_command, ["reset", "payments"])
    assert isinstance(refused.exception, StartRequiredError)
    assert CliRunner().invoke(topology_command, ["reset", "payments", "--from", "latest"]).exit_code == 0
