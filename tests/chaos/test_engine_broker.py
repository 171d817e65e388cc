"""The broker is killed or stands still under load: workers go on with it, or end in time without it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.embedded.kafka import KafkaServer
from tests.chaos.engine_load import Load
from tests.engine.cluster import Cluster
from tests.engine.log import Log, differences
from tests.killing import kill
from tests.waiting import until

CUT_OFF = 3  # the code of a worker that has not ended in order within its limit


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaServer]:
    server = KafkaServer(tmp_path / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def cluster(broker: KafkaServer, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Cluster]:
    with Cluster(Log(broker.bootstrap), tmp_path, "counting", unique("broker")) as cluster:
        yield cluster


def test_rows_are_exact_after_the_broker_was_killed_twice(cluster: Cluster, broker: KafkaServer) -> None:
    """kill -9 under load: the same workers go on when it is back."""
    workers = [cluster.start("a"), cluster.start("b")]
    cluster.ready(*workers)
    with Load(cluster.log, cluster.source) as load:
        for _ in range(2):
            grown = len(load.sent) + 400
            until(lambda grown=grown: len(load.sent) > grown, "some load")  # type: ignore[misc]
            kill(broker)
            broker.start()
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, load.sent) == []
    assert all(worker.is_alive() for worker in workers)


def test_a_worker_that_starts_before_its_broker_waits_for_it(cluster: Cluster, broker: KafkaServer) -> None:
    """It says so in lines of its own, and its Kafka clients say nothing."""
    broker.stop()
    worker = cluster.start("a")
    until(lambda: "kafka.unreachable" in worker.said(), "a line that names what it waits for")
    broker.start()
    cluster.ready(worker)
    assert "rdkafka" not in worker.said()


def test_a_worker_ends_in_time_though_the_broker_stands_still(cluster: Cluster, broker: KafkaServer) -> None:
    """By its own clock, which cuts off what a commit waits for; its successor goes on."""
    worker = cluster.start("a")
    cluster.ready(worker)
    with Load(cluster.log, cluster.source) as load:
        until(lambda: load.sent, "some load")
        assert broker.process is not None
        broker.process.send_signal(signal.SIGSTOP)
        try:
            assert worker.stop() in (0, CUT_OFF)
        finally:
            broker.process.send_signal(signal.SIGCONT)
    cluster.ready(cluster.start("b"))
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, load.sent) == []
