"""Workers are killed, paused, added and removed under load: rows and outputs stay the count of what was sent."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.chaos.engine_load import Load
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import PARTITIONS, Log, differences
from tests.waiting import PATIENCE_S, until

PER_SECOND = 200


@pytest.fixture
def cluster(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Cluster]:
    with Cluster(Log(kafka), tmp_path, "counting", unique("chaos")) as cluster:
        yield cluster


def settle(cluster: Cluster, load: Load) -> None:
    """Everything sent was counted once, by the topics."""
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, load.sent) == []


def shown(cluster: Cluster, table: str) -> dict[str, int]:
    """The rows that the workers answer with, those of each partition by its owner."""
    found: dict[str, int] = {}
    for partition in range(PARTITIONS):
        [rows] = until(partial(answers, cluster, f"/rows/{table}/{partition}"), f"one answer with rows of {partition}")
        assert found.keys().isdisjoint(row[0] for row in rows)
        found |= {row[0]: row[1] for row in rows}
    return found


def answers(cluster: Cluster, path: str) -> list[list[Any]]:
    """The rows of each worker that shows any at a path."""
    shown = [worker.get(path) for worker in cluster.workers if worker.is_alive()]
    return [answer["rows"] for answer in shown if "rows" in answer]


def test_rows_and_outputs_are_exact_through_kills_with_and_without_the_disk(cluster: Cluster) -> None:
    """Twelve kills at random moments of one of three workers, every other one loses its directory too."""
    rng = random.Random(7)
    workers = [cluster.start(name) for name in ("a", "b", "c")]
    cluster.ready(*workers)
    with Load(cluster.log, cluster.source, PER_SECOND) as load:
        for kill in range(12):
            time.sleep(rng.uniform(0.3, 2.5))
            victim = workers.pop(rng.randrange(3))
            victim.kill()
            if kill % 2:
                shutil.rmtree(cluster.data_of(str(victim)), ignore_errors=True)
            workers.append(cluster.start(str(victim)))
    settle(cluster, load)
    cluster.ready(*workers)
    assert sum(shown(cluster, "counts").values()) == len(load.sent)
    assert sum(shown(cluster, "totals").values()) == len(load.sent)


def test_a_worker_that_was_paused_past_its_session_changes_nothing(cluster: Cluster) -> None:
    """It wakes up amid a checkpoint, is fenced, answers NOT_ACTIVE until it is a member again, and goes on."""
    sleeper, other = cluster.start("sleeper"), cluster.start("other")
    cluster.ready(sleeper, other)
    with Load(cluster.log, cluster.source, PER_SECOND) as load:
        until(lambda: load.sent, "some load")
        sleeper.pause()
        cluster.ready(other)
        asked = [request(sleeper, f"/rows/counts/{partition}") for partition in range(PARTITIONS)]
        sleeper.resume()
        assert [answered(one).get("code") for one in asked] == ["NOT_ACTIVE"] * PARTITIONS
        cluster.ready(sleeper, other)
    settle(cluster, load)
    assert sum(shown(cluster, "counts").values()) == len(load.sent)


def request(worker: WorkerProcess, path: str) -> HTTPConnection:
    """Sent, also to one that stands still: it lies there before anything of the group does."""
    connection = HTTPConnection("127.0.0.1", worker.order.port, timeout=PATIENCE_S)
    connection.request("GET", path)
    return connection


def answered(connection: HTTPConnection) -> dict[str, Any]:
    with closing(connection):
        answer: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
        return answer


def test_workers_come_and_go_under_load(cluster: Cluster) -> None:
    """From one to four and back to one, by SIGTERM, with commits up to the end of each."""
    workers: list[WorkerProcess] = [cluster.start("w0")]
    cluster.ready(*workers)
    with Load(cluster.log, cluster.source, PER_SECOND) as load:
        for name in ("w1", "w2", "w3"):
            workers.append(cluster.start(name))
            cluster.ready(*workers)
        while len(workers) > 1:
            assert workers.pop(0).stop() == 0
            cluster.ready(*workers)
    settle(cluster, load)
