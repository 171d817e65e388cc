"""What stands still is told, be it a restore, a handler or the membership: in the log, by a metric, by `/readyz`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from app.streaming.watchdog import EXIT_CODE
from tests.engine.cluster import Cluster, MakeCluster, WorkerProcess
from tests.engine.log import ticks
from tests.engine.topologies import Count, Faults, Tick
from tests.waiting import until

ROWS = 3000


def troubles(worker: WorkerProcess, error: str) -> float:
    """How often the worker has counted this error."""
    families = text_string_to_metric_families(worker.answer("/metrics"))
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
    make_cluster: MakeCluster, unique: Callable[[str], str]
) -> None:
    """It is held up by a transaction that is not its own; when that is over, it ends."""
    cluster = make_cluster("counting", patience_s=12.0)
    worker = cluster.start("a")
    cluster.ready(worker)
    assert worker.stop() == 0
    with open_transaction(cluster, unique("other")):
        worker = cluster.start("a")
        committed = {"state": "restoring", "restored": ROWS, "remaining": 1}.items()
        until(lambda: committed <= task_of(worker).items(), "the committed rows restored")
        says(worker, f"{ROWS:,} records restored")
        until(lambda: worker.told("task.failed"), "a restore that stands still is an error")
        assert ROWS in [line["restored"] for line in worker.told("task.restoring")]
        assert "RestoreStalledError" in worker.told("task.failed")[0]["why"]
        assert troubles(worker, "RestoreStalledError") > 0
        says(worker, "has failed")
    cluster.ready(worker)
    is_ready(worker)


def says(worker: WorkerProcess, why: str) -> None:
    """It is unready, and says this."""
    until(lambda: why in str(worker.tasks()["unready"]), f"an unready worker that says {why}")


def is_ready(worker: WorkerProcess) -> None:
    until(lambda: worker.tasks()["unready"] is None, "a worker that is ready")


def task_of(worker: WorkerProcess) -> dict[str, Any]:
    """What the worker says of its first task."""
    return next((task for task in worker.tasks()["tasks"] if task["partition"] == 0), {})


def test_a_handler_that_does_not_return_is_told_and_its_record_is_handled_again(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster("acting", patience_s=1.5, limit_s=0.2)
    worker = cluster.start("a")
    cluster.ready(worker)
    cluster.log.send(cluster.source, [Tick(key="key-1", number=1, held=True)])
    until(lambda: worker.told("task.failed"), "a handler that does not return is an error")
    assert "StuckHandlerError" in worker.told("task.failed")[0]["why"]
    until(lambda: "StuckHandlerError" in str([task["trouble"] for task in worker.tasks()["tasks"]]), "its task tells")
    says(worker, "have not returned")
    assert troubles(worker, "StuckHandlerError") >= 1
    Faults(tmp_path / "shared").released.touch()
    cluster.quiet()
    is_ready(worker)
    assert [m.value() for m in cluster.log.records(cluster.topology.outputs[0])] == [b"done:1"]


def test_a_handler_that_lets_nothing_else_run_ends_the_worker_saying_where(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("counting", patience_s=2.0)
    worker = cluster.start("a")
    cluster.ready(worker)
    cluster.log.send(cluster.source, [Tick(key="key-1", number=1, blocks_s=60.0)])
    assert worker.wait() == EXIT_CODE
    [told] = worker.told("worker.stuck")
    assert "StuckHandlerError" in told["why"]
    assert "time.sleep(tick.blocks_s)" in told["where"]


def test_a_lost_membership_is_told_and_so_is_that_it_is_back(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("counting", session_timeout_s=6.0)
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
