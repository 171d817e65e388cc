"""Worker processes keep what is promised of retries, parking, timers, limits, membership and a stop."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from app.streaming.failures import OURS
from app.streaming.names import dlq_topic, retry_topic
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import Log, differences, ticks
from tests.engine.topologies import Faults, Tick
from tests.waiting import until


class MakeCluster(Protocol):
    def __call__(self, kind: str, **options: Any) -> Cluster: ...


@pytest.fixture
def make(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[MakeCluster]:
    made: list[Cluster] = []

    def make(kind: str, **options: Any) -> Cluster:
        made.append(Cluster(Log(kafka), tmp_path, kind, unique("tasks"), **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.__exit__()


def started(cluster: Cluster, name: str = "a", **options: Any) -> WorkerProcess:
    worker = cluster.start(name, **options)
    cluster.ready(worker)
    return worker


def row_of(cluster: Cluster, key: str) -> list[Any]:
    """[count, last, disorder] of a key."""
    found: dict[str, list[Any]] = {
        row[0]: row[1:4] for row in cluster.log.rows(cluster.topology.changelog("counts")).values()
    }
    return found.get(key, [])


def outputs(cluster: Cluster) -> list[bytes]:
    return [message.value() for message in cluster.log.records(cluster.topology.outputs[0])]


@pytest.mark.parametrize("kind", ["counting", "acting"])
def test_each_retry_waits_for_its_delay_in_its_topic(make: MakeCluster, tmp_path: Path, kind: str) -> None:
    """Never early; later records of the key follow in order, other keys go on at once."""
    delays_ms = (300, 600, 1200)
    cluster = make(kind, delays_ms=delays_ms)
    started(cluster)
    failing = Tick(key="key-1", number=1, fails=3)
    cluster.log.send(cluster.source, [failing, *ticks(3, 5)[1:], Tick(key="key-1", number=6)])
    cluster.quiet()
    times = Faults(tmp_path / "shared").times("key-1", 1)
    waits_ms = [(later - earlier) * 1000 for earlier, later in pairwise(times)]
    assert len(waits_ms) == 3
    assert all(wait >= delay for wait, delay in zip(waits_ms, delays_ms, strict=True)), waits_ms
    group = cluster.topology.group
    for attempt, delay in enumerate(delays_ms, start=2):
        (retry,) = cluster.log.records(retry_topic(group, delay))
        headers = dict(retry.headers())
        assert (headers[OURS + "attempt"], headers[OURS + "topic"]) == (str(attempt).encode(), cluster.source.encode())
    assert cluster.log.records(dlq_topic(group)) == []


def test_parked_records_survive_a_kill_and_the_loss_of_the_disk(make: MakeCluster, tmp_path: Path) -> None:
    """Forty records behind a failed one: another worker, without that disk, drains them in order."""
    cluster = make("counting", delays_ms=(4000,))
    first = started(cluster)
    sent = [Tick(key="key-1", number=1, fails=1), *[Tick(key="key-1", number=n) for n in range(2, 42)]]
    cluster.log.send(cluster.source, sent)
    until(lambda: sum(task["parked"] for task in first.get("/tasks")["tasks"]) == 40, "forty records parked")
    until(lambda: not any(task["dirty"] for task in first.get("/tasks")["tasks"]), "a checkpoint of them")
    first.kill()
    started(cluster, "b")
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []


def test_a_timer_fires_after_the_reply_that_waited_in_the_backlog(make: MakeCluster) -> None:
    """The reply came in time, but nobody ran: the timer must see it."""
    cluster = make("acting")
    first = started(cluster)
    keys = [f"key-{n}" for n in range(20)]
    cluster.log.send(cluster.source, [Tick(key=key, number=1, timer_ms=1500) for key in keys])
    until(lambda: len(outputs(cluster)) == len(keys), "the first ticks are done")
    due_at = time.monotonic() + 1.5
    first.kill()
    cluster.log.send(cluster.source, [Tick(key=key, number=2, takes_s=0.2) for key in keys])
    until(lambda: time.monotonic() > due_at, "the timers are due")
    started(cluster)
    until(lambda: sum(value.startswith(b"timer") for value in outputs(cluster)) == len(keys), "all timers fired")
    assert Counter(outputs(cluster))[b"timer:answered"] == len(keys)


def test_what_is_too_large_is_a_dead_letter_of_its_record_alone(make: MakeCluster) -> None:
    """An output or a row over the limit is found before anything is produced: other records go on."""
    cluster = make("counting")
    worker = started(cluster)
    good = ticks(4, 3)
    large = [Tick(key="key-90", number=1, output_size=1_000_000), Tick(key="key-91", number=1, row_size=900_000)]
    cluster.log.send(cluster.source, [*large, *good])
    cluster.quiet()
    letters = {
        letter.key(): dict(letter.headers()) for letter in cluster.log.records(dlq_topic(cluster.topology.group))
    }
    assert letters.keys() == {b"key-90", b"key-91"}
    assert all(b"TooLargeError" in headers["__streams.errors.exception"] for headers in letters.values())
    assert [row_of(cluster, f"key-{n}") for n in range(4)] == [[3, 3, 0]] * 4
    assert worker.is_alive()


def test_a_refusal_by_the_broker_sends_the_task_back_until_it_is_mended(make: MakeCluster) -> None:
    """The topic was altered behind the worker's back: nothing is lost, nothing doubled, and the worker says so."""
    cluster = make("counting")
    worker = started(cluster)
    topic = cluster.topology.outputs[0]
    limit_output(cluster, topic, 2_000)
    sent = [*ticks(8, 3), *[Tick(key=f"key-{n}", number=4, output_size=5_000) for n in range(8)]]
    cluster.log.send(cluster.source, sent)
    until(lambda: "MSG_SIZE_TOO_LARGE" in str(worker.get("/tasks").get("unready")), "an unready worker that says why")
    assert worker.is_alive()
    limit_output(cluster, topic, 1_048_588)
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []


def limit_output(cluster: Cluster, topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": cluster.log.bootstrap})
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(30)


def test_a_member_stays_while_its_task_restores_and_while_nothing_comes(make: MakeCluster) -> None:
    """Longer than the session and the poll interval; other tasks go on while one restores."""
    cluster = make("counting")
    stranger = Producer({"bootstrap.servers": cluster.log.bootstrap, "transactional.id": cluster.topology.name})
    stranger.init_transactions(30)
    stranger.begin_transaction()
    stranger.produce(cluster.topology.changelog("totals"), b"open", b"open", 2)
    stranger.flush(30)
    worker = cluster.start("a", session_timeout_s=1.0, max_poll_interval_s=1.5)
    until(lambda: worker.active() == {0, 1, 3}, "all tasks but the one whose changelog is undecided")
    held_since = time.monotonic()
    until(lambda: time.monotonic() > held_since + 3, "twice the poll interval")
    assert worker.active() == {0, 1, 3}
    stranger.abort_transaction(30)
    cluster.ready(worker)
    sent = ticks(10, 2)
    cluster.log.send(cluster.source, sent)
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []
    assert "task.dropped" not in worker.said()


def test_a_stop_commits_what_is_done_and_its_successor_repeats_nothing(make: MakeCluster, tmp_path: Path) -> None:
    """SIGTERM among slow calls: each call of the outside is made once."""
    cluster = make("acting")
    first = started(cluster)
    sent = [Tick(key=f"key-{n % 50}", number=1 + n // 50, takes_s=0.05) for n in range(500)]
    cluster.log.send(cluster.source, sent)
    calls = tmp_path / "shared" / "calls"
    until(lambda: calls.exists() and len(calls.read_text().splitlines()) > 100, "a hundred calls")
    assert first.stop(limit_s=10) == 0
    made = len(calls.read_text().splitlines())
    started(cluster, "b")
    cluster.quiet()
    assert 100 < made < 500
    assert Counter(calls.read_text().splitlines()) == Counter(f"{tick.key} {tick.number}" for tick in sent)
    assert sorted(outputs(cluster)) == sorted(f"done:{tick.number}".encode() for tick in sent)


def test_a_busy_key_does_not_hold_up_checkpoints(make: MakeCluster) -> None:
    """A hundred slow calls of one key take longer than a checkpoint may wait; each is made once, in order."""
    cluster = make("acting")
    started(cluster)
    sent = [Tick(key="key-1", number=n, takes_s=0.05) for n in range(1, 101)]
    cluster.log.send(cluster.source, [*sent, *ticks(3, 1)[2:]])
    until(lambda: row_of(cluster, "key-2") == [1, 1, 0], "another key of the backlog", 3)
    cluster.quiet()
    assert row_of(cluster, "key-1") == [100, 100, 0]
    assert outputs(cluster).count(b"done:100") == 1
