"""The only broker with a DLQ topic is lost while dead letters are produced: their task waits for it, others go on.

It is away for some seconds: a transaction is still open when it is back. `AWAY_S=90` lets the transaction time out and
be taken back meanwhile.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from app.embedded.cluster import KafkaCluster, KafkaNode
from app.streaming.kafka import moving
from app.streaming.kafka.messages import to_record
from app.streaming.letters import Letter, read_letter_topic
from app.streaming.names import dlq_topic
from app.streaming.topology import Topology
from tests.engine.cluster import Cluster
from tests.engine.log import PARTITIONS, Log, differences, ticks
from tests.engine.topologies import Tick, counting
from tests.killing import kill
from tests.waiting import PATIENCE_S, until

AWAY_S = float(os.environ.get("AWAY_S", "15"))
CONCERNED, IN_FLIGHT, OTHERS = 0, 1, (2, 3)  # partitions
EACH = 20
KEYS = 40


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path / "kafka")
    try:
        cluster.start()
        yield cluster
    finally:
        for node in cluster.nodes:
            if node.alive():
                kill(node)


def place(brokers: KafkaCluster, topology: Topology, lost: KafkaNode) -> None:
    """The DLQ topic on the broker that will be lost, every other topic on the others."""
    others = [node.node for node in brokers.nodes if node is not lost]
    letters = dlq_topic(topology.group)
    admin = AdminClient({"bootstrap.servers": brokers.bootstrap})
    replicas = {spec.name: [lost.node] if spec.name == letters else others for spec in topology.topics()}
    topics = [NewTopic(name, PARTITIONS, replica_assignment=[on] * PARTITIONS) for name, on in replicas.items()]
    for made in admin.create_topics(topics).values():
        made.result(PATIENCE_S)


def refused(cluster: Cluster, partition: int, name: str) -> list[tuple[int, bytes]]:
    """Send ticks that are never taken, each under a key of its own: (offset, value) of each."""
    sent: list[tuple[int, bytes]] = []
    for number in range(EACH):
        tick = Tick(key=f"{name}-{number}", number=1, permanent=True)
        cluster.log.producer.produce(
            cluster.source,
            msgspec.msgpack.encode(tick),
            tick.key.encode(),
            partition,
            on_delivery=lambda error, message: sent.append((message.offset(), message.value())),
        )
    assert cluster.log.producer.flush(PATIENCE_S) == 0
    return sent


def committed(cluster: Cluster, partition: int) -> int:
    """What the group has committed of the source; a transaction that is open does not count.

    Asked again while the group's coordinator moves, as it may when a broker is lost.
    """
    asked = cluster.log.consumer(cluster.topology.group, isolation="read_uncommitted")
    found: list[int] = []

    def answered() -> bool:
        try:
            [place] = asked.committed([TopicPartition(cluster.source, partition)], PATIENCE_S)
        except KafkaException as error:
            if not moving.passes(error):
                raise
            return False
        found.append(max(0, int(place.offset)))
        return True

    try:
        until(answered, "the group's coordinator answers")
    finally:
        asked.close()
    return found[0]


def test_nothing_is_committed_past_a_dead_letter_that_cannot_be_delivered(
    brokers: KafkaCluster, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """When its broker is back, each letter is there once and each good record is counted once."""
    name, lost = unique("leader"), brokers.nodes[-1]
    place(brokers, counting(name, tmp_path / "shared", ()), lost)
    with Cluster(Log(brokers.bootstrap), tmp_path, "counting", name, delays_ms=()) as cluster:
        sent: list[Tick] = []

        def send() -> None:
            more = ticks(KEYS, EACH, first=len(sent) // KEYS + 1)
            cluster.log.send(cluster.source, more)
            sent.extend(more)

        worker = cluster.start("a")
        cluster.ready(worker)
        send()
        failing = {CONCERNED: refused(cluster, CONCERNED, "before")}
        cluster.quiet()

        failing[IN_FLIGHT] = refused(cluster, IN_FLIGHT, "amid")
        kill(lost)
        gone_at = time.monotonic()
        undelivered = refused(cluster, CONCERNED, "after")
        send()
        failing[CONCERNED] += undelivered
        ends = cluster.log.ends(cluster.source)
        until(lambda: all(committed(cluster, one) == ends[one] for one in OTHERS), "the other tasks go on")
        until(lambda: time.monotonic() - gone_at > AWAY_S, "the broker was away for long", AWAY_S + 60)
        until(lambda: f"[{CONCERNED}] " in str(worker.tasks()["unready"]), "the worker says what holds it up")
        assert committed(cluster, CONCERNED) <= undelivered[0][0]

        lost.start()
        send()
        cluster.quiet()
        assert worker.is_alive()
        assert differences(cluster.log, cluster.topology, sent) == []
        letters = [read_letter_topic(to_record(one)) for one in cluster.log.records(dlq_topic(cluster.topology.group))]
        found = [(one.partition, one.offset, one.value) for one in letters if isinstance(one, Letter)]
        wanted = [(partition, *one) for partition, those in failing.items() for one in those]
        assert sorted(found) == sorted(wanted)
