"""Worker processes keep what is promised of retries, parking, timers, limits, membership and a stop."""

import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from app.streaming.failures import OURS
from app.streaming.names import dlq_topic, retry_topic
from tests.engine.cluster import Cluster, MakeCluster, WorkerProcess
from tests.engine.log import differences, ticks
from tests.engine.topologies import Faults, Tick
from tests.topics import take_at_most
from tests.waiting import until

TIMER_S = 15.0  # time enough to see that it is set, and to kill


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
def test_each_retry_waits_for_its_delay_in_its_topic(make_cluster: MakeCluster, tmp_path: Path, kind: str) -> None:
    """Never early; later records of the key follow in order, other keys go on at once."""
    delays_ms = (300, 600, 1200)
    cluster = make_cluster(kind, delays_ms=delays_ms)
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


def test_parked_records_survive_a_kill_and_the_loss_of_the_disk(make_cluster: MakeCluster) -> None:
    """Forty records behind a failed one: another worker, without that disk, drains them in order."""
    cluster = make_cluster("counting", delays_ms=(15_000,))  # time enough to see what waits, and to kill
    first = started(cluster)
    sent = [Tick(key="key-1", number=1, fails=1), *[Tick(key="key-1", number=n) for n in range(2, 42)]]
    cluster.log.send(cluster.source, sent)
    until(lambda: sum(task["parked"] for task in first.tasks()["tasks"]) == 40, "forty records parked")
    until(lambda: not any(task["dirty"] for task in first.tasks()["tasks"]), "a checkpoint of them")
    first.kill()
    started(cluster, "b")
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []


def test_a_timer_fires_after_the_reply_that_waited_in_the_backlog(make_cluster: MakeCluster) -> None:
    """The reply came in time, but nobody ran: the timer must see it. It fires once."""
    cluster = make_cluster("acting")
    first = started(cluster)
    keys = [f"key-{n}" for n in range(20)]
    cluster.log.send(cluster.source, [Tick(key=key, number=1, timer_ms=int(TIMER_S * 1000)) for key in keys])
    until(lambda: outputs(cluster).count(b"done:1") == len(keys), "the first ticks are done")
    due_at = time.monotonic() + TIMER_S
    first.kill()
    cluster.log.send(cluster.source, [Tick(key=key, number=2, takes_s=0.2) for key in keys])
    until(lambda: time.monotonic() > due_at, "the timers are due")
    started(cluster)
    until(lambda: sum(value.startswith(b"timer") for value in outputs(cluster)) >= len(keys), "all timers fired")
    cluster.quiet()
    assert Counter(outputs(cluster)) == dict.fromkeys((b"done:1", b"done:2", b"timer:answered"), len(keys))


def test_what_is_too_large_is_a_dead_letter_of_its_record_alone(make_cluster: MakeCluster) -> None:
    """An output or a row over the limit is found before anything is produced: other records go on."""
    cluster = make_cluster("counting")
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


def test_a_refusal_by_the_broker_sends_the_task_back_until_it_is_mended(make_cluster: MakeCluster) -> None:
    """The topic was altered behind the worker's back: nothing is lost, nothing doubled, and the worker says so."""
    cluster = make_cluster("counting")
    worker = started(cluster)
    topic = cluster.topology.outputs[0]
    take_at_most(cluster.log.bootstrap, topic, 2_000)
    sent = [*ticks(8, 3), *[Tick(key=f"key-{n}", number=4, output_size=5_000) for n in range(8)]]
    cluster.log.send(cluster.source, sent)
    until(lambda: "MSG_SIZE_TOO_LARGE" in str(worker.tasks()["unready"]), "an unready worker that says why")
    assert worker.is_alive()
    take_at_most(cluster.log.bootstrap, topic, 1_048_588)
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []


def test_a_member_stays_while_its_task_restores_and_while_nothing_comes(make_cluster: MakeCluster) -> None:
    """Longer than the session and the poll interval; other tasks go on while one restores."""
    cluster = make_cluster("counting")
    stranger = Producer({"bootstrap.servers": cluster.log.bootstrap, "transactional.id": cluster.topology.name})
    stranger.init_transactions(30)
    stranger.begin_transaction()
    stranger.produce(cluster.topology.changelog("totals"), b"open", b"open", 2)
    stranger.flush(30)
    worker = cluster.start("a", session_timeout_s=6.0, max_poll_interval_s=6.0)
    until(lambda: worker.active() == {0, 1, 3}, "all tasks but the one whose changelog is undecided")
    held_since = time.monotonic()
    until(lambda: time.monotonic() > held_since + 9, "half as long again")
    assert worker.active() == {0, 1, 3}
    stranger.abort_transaction(30)
    cluster.ready(worker)
    sent = ticks(10, 2)
    cluster.log.send(cluster.source, sent)
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []
    assert "task.dropped" not in worker.said()


def test_a_stop_commits_what_is_done_and_its_successor_repeats_nothing(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """SIGTERM among slow calls: each call of the outside is made once."""
    cluster = make_cluster("acting")
    first = started(cluster)
    sent = [Tick(key=f"key-{n % 50}", number=1 + n // 50, takes_s=0.05) for n in range(500)]
    cluster.log.send(cluster.source, sent)
    calls = tmp_path / "shared" / "calls"
    until(lambda: calls.exists() and len(calls.read_text().splitlines()) > 100, "a hundred calls")
    assert first.stop() == 0
    made = len(calls.read_text().splitlines())
    started(cluster, "b")
    cluster.quiet()
    assert 100 < made < 500
    assert Counter(calls.read_text().splitlines()) == Counter(f"{tick.key} {tick.number}" for tick in sent)
    assert sorted(outputs(cluster)) == sorted(f"done:{tick.number}".encode() for tick in sent)


def test_a_busy_key_does_not_hold_up_checkpoints(make_cluster: MakeCluster) -> None:
    """A hundred slow calls of one key take longer than a checkpoint may wait; each is made once, in order. What
    another key of the backlog brings about is committed before they end."""
    cluster = make_cluster("acting")
    started(cluster)
    sent = [Tick(key="key-1", number=n, takes_s=0.05) for n in range(1, 101)]
    cluster.log.send(cluster.source, [*sent, Tick(key="key-5", number=1)])  # of the same partition
    cluster.quiet()
    assert [row_of(cluster, key) for key in ("key-1", "key-5")] == [[100, 100, 0], [1, 1, 0]]
    assert outputs(cluster).count(b"done:100") == 1
    done = cluster.log.records(cluster.topology.outputs[0])
    after = done[[message.key() for message in done].index(b"key-5") :]
    # the marker of a transaction is no record, but has an offset
    assert after[-1].offset() - after[0].offset() > len(after) - 1, "a transaction that ended in between"
