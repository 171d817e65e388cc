"""What stands still is told, be it a restore, a handler or the membership: in the log, by a metric, by `/readyz`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from app.streaming.watchdog import EXIT_CODE
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import Log, ticks
from tests.engine.topologies import Count, Tick
from tests.waiting import until

ROWS = 3000


class MakeCluster(Protocol):
    def __call__(self, kind: str, **options: Any) -> Cluster: ...


@pytest.fixture
def make(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[MakeCluster]:
    made: list[Cluster] = []

    def make(kind: str, **options: Any) -> Cluster:
        made.append(Cluster(Log(kafka), tmp_path, kind, unique("trouble"), **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.__exit__()


def troubles(worker: WorkerProcess, error: str) -> float:
    """How often the worker has counted this error."""
    families = text_string_to_metric_families(worker.text("/metrics"))
    samples = [sample for family in families for sample in family.samples]
    return sum(one.value for one in samples if one.name == "orderflow_troubles_total" and one.labels["error"] == error)


@contextmanager
def open_transaction(cluster: Cluster, name: str) -> Iterator[None]:
    """Rows in a changelog, and behind them the record of a transaction of somebody else, which stays open."""
    changelog, value = cluster.topology.changelog("counts"), msgspec.msgpack.encode(Count("key", 1, 1))
    for number in range(ROWS):
        cluster.log.producer.produce(changelog, value, f"some-{number}".encode(), 0)
    assert cluster.log.producer.flush(30) == 0
    other = Producer({"bootstrap.servers": cluster.log.bootstrap, "transactional.id": name, "log_level": 0})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(changelog, value, b"never-committed", 0)
    assert other.flush(30) == 0
    yield
    other.abort_transaction(30)


def test_a_restore_tells_how_far_it_is_and_one_that_stands_still_is_an_error(
    make: MakeCluster, unique: Callable[[str], str]
) -> None:
    """It is held up by a transaction that is not its own; when that is over, it ends."""
    cluster = make("counting", patience_s=4.0)
    worker = cluster.start("a")
    cluster.ready(worker)
    assert worker.stop() == 0
    with open_transaction(cluster, unique("other")):
        worker = cluster.start("a")
        until(lambda: task_of(worker).get("restored") == ROWS, "the committed rows restored")
        told = task_of(worker)
        assert (told["state"], told["remaining"]) == ("restoring", 1)
        assert f"{ROWS:,} records restored" in worker.get("/tasks")["unready"]
        until(lambda: worker.told("task.failed"), "a restore that stands still is an error")
        assert worker.told("task.restoring")[0]["restored"] == ROWS
        assert "RestoreStalledError" in worker.told("task.failed")[0]["why"]
        assert troubles(worker, "RestoreStalledError") > 0
        assert "has failed" in worker.get("/tasks")["unready"]
    cluster.ready(worker)
    assert worker.get("/tasks")["unready"] is None


def task_of(worker: WorkerProcess) -> dict[str, Any]:
    """What the worker says of its first task."""
    tasks: list[dict[str, Any]] = worker.get("/tasks").get("tasks", [])
    return next((task for task in tasks if task["partition"] == 0), {})


def test_a_handler_that_does_not_return_is_told_and_its_record_is_handled_again(make: MakeCluster) -> None:
    cluster = make("acting", patience_s=1.5, limit_s=0.2)
    worker = cluster.start("a")
    cluster.ready(worker)
    cluster.log.send(cluster.source, [Tick(key="key-1", number=1, holds_s=4.0)])
    until(lambda: worker.told("task.failed"), "a handler that does not return is an error")
    assert "StuckHandlerError" in worker.told("task.failed")[0]["why"]
    assert "StuckHandlerError" in str(task_of_key(worker)["trouble"])
    assert "have not returned" in worker.get("/tasks")["unready"]
    assert troubles(worker, "StuckHandlerError") >= 1
    cluster.quiet()
    assert worker.get("/tasks")["unready"] is None
    assert [m.value() for m in cluster.log.records(cluster.topology.outputs[0])] == [b"done:1"]


def task_of_key(worker: WorkerProcess) -> dict[str, Any]:
    """The task in trouble."""
    return next(task for task in worker.get("/tasks")["tasks"] if task["trouble"])


def test_a_handler_that_lets_nothing_else_run_ends_the_worker_saying_where(make: MakeCluster) -> None:
    cluster = make("counting", patience_s=2.0)
    worker = cluster.start("a")
    cluster.ready(worker)
    cluster.log.send(cluster.source, [Tick(key="key-1", number=1, blocks_s=60.0)])
    assert worker.process.wait(20) == EXIT_CODE
    [told] = worker.told("worker.stuck")
    assert "StuckHandlerError" in told["why"]
    assert "time.sleep(tick.blocks_s)" in told["where"]


def test_a_lost_membership_is_told_and_so_is_that_it_is_back(make: MakeCluster) -> None:
    cluster = make("counting")
    sleeper, other = cluster.start("sleeper"), cluster.start("other")
    cluster.ready(sleeper, other)
    sleeper.pause()
    cluster.ready(other)
    sleeper.resume()
    cluster.ready(sleeper, other)
    until(lambda: sleeper.told("membership.regained"), "the membership is back")
    assert "MembershipLostError" in sleeper.told("membership.lost")[0]["why"]
    assert troubles(sleeper, "MembershipLostError") == 1
    assert not other.told("membership.lost")
    cluster.log.send(cluster.source, ticks(5, 1))
    cluster.quiet()
