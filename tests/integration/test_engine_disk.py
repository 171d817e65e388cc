"""Rows are the same after their disk was full, or its files were damaged: the changelogs have them all."""

import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.streaming.kafka import topics
from app.streaming.stores import SET_ASIDE
from tests.chaos.steps.rows import shown
from tests.engine.cluster import Cluster
from tests.engine.damage import DAMAGES
from tests.engine.inside import Inside
from tests.engine.log import Log, differences, ticks
from tests.engine.topologies import COUNTS, Count, Tick, counting
from tests.waiting import until

KEYS = 400
ROW = 20_000  # bytes


@pytest.fixture
def cluster(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Cluster]:
    with Cluster(Log(kafka), tmp_path, "counting", unique("disk"), state_memory_mb=16) as cluster:
        yield cluster


def sent(first: int, each: int) -> list[Tick]:
    return [Tick(key=f"key-{key}", number=n, row_size=ROW) for n in range(first, first + each) for key in range(KEYS)]


def test_a_worker_whose_disk_is_full_waits_for_room_and_loses_nothing(cluster: Cluster) -> None:
    """It stays alive and is unready, saying why; what was committed meanwhile is on its disk afterwards."""
    worker = cluster.start("a")
    cluster.ready(worker)
    worker.limit_files(40_000)
    cluster.log.send(cluster.source, sent(1, 5))
    until(lambda: "is full" in str(worker.tasks()["unready"]), "an unready worker that says why")
    assert worker.is_alive()
    worker.limit_files(resource.RLIM_INFINITY)
    cluster.ready(worker)
    cluster.log.send(cluster.source, sent(6, 2))
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent(1, 7)) == []
    assert sum(row[1] for row in shown(worker.get, "counts").values()) == KEYS * 7


def test_a_worker_that_reads_a_damaged_block_sets_the_files_aside_and_goes_on(cluster: Cluster) -> None:
    worker = cluster.start("a")
    cluster.ready(worker)
    cluster.log.send(cluster.source, sent(1, 1))
    cluster.quiet()
    assert worker.stop() == 0  # what it held in memory is in its files now
    worker = cluster.start("a")
    cluster.ready(worker)
    files = list(cluster.data_of("a").glob("*/*.sst"))
    for file in files:
        with file.open("r+b") as opened:
            opened.seek(file.stat().st_size // 4)
            opened.write(random.Random(7).randbytes(file.stat().st_size // 2))
    cluster.log.send(cluster.source, sent(2, 2))
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent(1, 3)) == []
    assert {file.parent.name for file in files} == {
        path.name.partition(SET_ASIDE)[0] for path in cluster.data_of("a").glob(f"*{SET_ASIDE}*")
    }
    assert "store.set_aside" in worker.said()


@pytest.mark.anyio
async def test_rows_equal_the_log_whatever_befell_the_files(
    kafka: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """Again and again one is overwritten, torn, emptied or removed while nobody has it open."""
    topology = counting(unique("damaged"), tmp_path, (100,))
    log = Log(kafka)
    topics.apply(kafka, topology.topics(), 1, 1)
    for seed in range(1, 9):
        log.send(f"{topology.name}-in", ticks(10, 1, first=seed))
        task = Inside(topology, kafka, tmp_path / "disk")
        await task.reset()
        await task.handle(10 * seed)
        await task.checkpoint()
        assert task.owned.store is not None
        rows = [COUNTS.decode(row) for _, row in task.owned.store.scan(COUNTS.prefix)]
        assert rows == [Count(f"key-{key}", seed, seed) for key in range(10)], seed
        await task.close()
        damage = DAMAGES[seed % len(DAMAGES)]
        damage(tmp_path / "disk" / f"{topology.name}-0", random.Random(seed))
