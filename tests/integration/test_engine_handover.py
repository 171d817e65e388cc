"""Tasks stay with a worker that comes back, and move to a warm copy of themselves."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient

from app.streaming.assignment import WARM
from tests.engine.cluster import Cluster, WorkerProcess, active
from tests.engine.log import PARTITIONS, Log, differences, ticks
from tests.engine.topologies import Count
from tests.waiting import PATIENCE_S, until


@pytest.fixture
def cluster(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Cluster]:
    with Cluster(Log(kafka), tmp_path, "counting", unique("handover")) as cluster:
        yield cluster


def readied(worker: WorkerProcess) -> int:
    """How many tasks it has brought into work, in all."""
    return len(worker.told("task.ready"))


def addresses(cluster: Cluster) -> set[str]:
    """Where the group says that its members are."""
    admin, group = AdminClient({"bootstrap.servers": cluster.log.bootstrap}), cluster.topology.group
    return {member.client_id for member in admin.describe_consumer_groups([group])[group].result(PATIENCE_S).members}


def test_a_rolling_restart_within_the_session_moves_nothing(cluster: Cluster) -> None:
    """Each worker with a name comes back to its tasks, also at another address, and the others never hear of it."""
    options: dict[str, Any] = {"static": True, "session_timeout_s": 300.0}
    a, b = cluster.start("a", **options), cluster.start("b", **options)
    cluster.ready(a, b)
    before, ready_b, dropped_b = (a.active(), b.active()), readied(b), b.told("task.dropped")
    sent = ticks(40, 5)
    cluster.log.send(cluster.source, sent)
    assert a.stop() == 0
    a = cluster.start("a", **options)
    cluster.ready(a, b)
    assert (a.active(), b.active()) == before
    assert readied(b) == ready_b
    assert b.told("task.dropped") == dropped_b  # the one that started first had all tasks until the other came
    assert b.stop() == 0
    b = cluster.start("b", elsewhere=True, **options)
    cluster.ready(a, b)
    assert (a.active(), b.active()) == before
    assert addresses(cluster) == {f"{one.order.name}@127.0.0.1:{one.order.port}" for one in (a, b)}
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []


def test_a_worker_that_the_group_keeps_waiting_ends_when_told(cluster: Cluster) -> None:
    """The group waits for a member that stands still, until it gives it up."""
    still = cluster.start("still", session_timeout_s=300.0)
    cluster.ready(still)
    still.pause()
    waiting = cluster.start("waiting", session_timeout_s=300.0)
    until(lambda: len(addresses(cluster)) == 2, "it has asked to be let in")
    assert waiting.told("worker.started") == []
    waiting.stop()
    assert waiting.told("worker.cut_off")  # its client waits for the group, and it has done nothing yet


def test_a_restore_longer_than_the_session_costs_nobody_the_membership(cluster: Cluster) -> None:
    """On a disk that takes `PART_S` for each part. It tells how far it is all the while."""
    first = cluster.start("first")
    cluster.ready(first)
    sent = ticks(200, 5)
    cluster.log.send(cluster.source, sent)
    cluster.quiet()
    assert first.stop() == 0
    part_s = float(os.environ.get("PART_S", "8"))
    second = cluster.start("second", slow_restore_s=part_s, session_timeout_s=6.0)
    seen: set[str] = set()

    def is_ready() -> bool:
        told = second.tasks()
        seen.add(str(told["unready"]))
        return active(told["tasks"]) == set(range(PARTITIONS))

    until(is_ready, "all partitions are active", PATIENCE_S + 20 * part_s)
    assert max(line["seconds"] for line in second.told("task.ready")) > second.order.session_timeout_s
    assert readied(second) == PARTITIONS
    assert second.told("task.dropped") == []
    assert any("still restoring" in why and "records" in why for why in seen), seen
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, sent) == []


def test_of_two_workers_with_one_name_one_ends_saying_so(cluster: Cluster, tmp_path: Path) -> None:
    twins = [cluster.start("twin", static=True)]
    cluster.ready(*twins)
    twins.append(cluster.start("twin", elsewhere=True, static=True, directory=str(tmp_path / "second")))
    until(lambda: not all(twin.is_alive() for twin in twins), "the end of one")
    [ended], [left] = [[twin for twin in twins if twin.is_alive() == alive] for alive in (False, True)]
    assert ended.process.returncode == 2
    assert "NameInUseError" in ended.said()
    cluster.ready(left)


def test_a_task_moves_to_its_copy_which_is_never_read(cluster: Cluster) -> None:
    """The copy has a known lag; what its new owner restores is only the rest."""
    a, b = cluster.start("a", standbys=1), cluster.start("b", standbys=1)
    cluster.ready(a, b)
    sent = ticks(200, 5)
    cluster.log.send(cluster.source, sent)
    cluster.quiet()
    until(lambda: all(copies_are_whole(cluster, worker) for worker in (a, b)), "copies without lag")
    assert (set(a.standbys()), set(b.standbys())) == (b.active(), a.active())
    [copied, *_] = b.standbys()
    until(lambda: b.get(f"/rows/counts/{copied}").get("code") == "NOT_ACTIVE", "the copy is not shown")
    lag = f'orderflow_standby_lag_records{{group="{cluster.topology.group}",partition="{copied}"}}'
    assert f"{lag} 0.0" in b.answer("/metrics")
    moved, ready = a.active(), readied(b)
    a.kill()
    cluster.ready(b)
    restored = [line["restored"] for line in b.told("task.ready")[ready:]]
    assert len(restored) == len(moved)
    assert sum(restored) == 0
    more = ticks(200, 2, first=6)
    cluster.log.send(cluster.source, more)
    cluster.quiet()
    assert differences(cluster.log, cluster.topology, [*sent, *more]) == []


def copies_are_whole(cluster: Cluster, worker: WorkerProcess) -> bool:
    copies = worker.standbys().values()
    return bool(copies) and all(copy["state"] == "following" and copy["lag"] == 0 for copy in copies)


def filled(cluster: Cluster, each: int) -> None:
    """So many rows in each changelog partition of a table."""
    value = msgspec.msgpack.encode(Count("key", 1, 1))
    for number in range(each):
        for partition in range(PARTITIONS):
            cluster.log.producer.produce(
                cluster.topology.changelog("counts"), value, f"row-{partition}-{number}".encode(), partition
            )
        cluster.log.producer.poll(0)
    assert cluster.log.producer.flush(60) == 0


def test_a_task_with_much_to_restore_stays_until_the_newcomer_has_a_warm_copy(cluster: Cluster) -> None:
    a = cluster.start("a")
    cluster.ready(a)
    assert a.stop() == 0
    filled(cluster, 2 * WARM)
    a = cluster.start("a")
    cluster.ready(a)
    b = cluster.start("b")
    cluster.ready(a, b)
    assert len(a.active()) == len(b.active()) == PARTITIONS // 2
    assert {line["task"] for line in b.told("standby.warm")} == {
        f"{cluster.topology.name}-{partition}" for partition in b.active()
    }
    restored: list[Any] = [line["restored"] for line in b.told("task.ready")]
    assert len(restored) == PARTITIONS // 2
    assert sum(restored) < WARM
