"""A worker that cannot be right refuses to run, and its message says what to do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from app.embedded.ports import free_ports
from app.streaming.blocked import BLOCKED, Blocked
from app.streaming.errors import (
    KafkaUnreachableError,
    OffsetsExpiredError,
    RetentionError,
    StartRequiredError,
    TopicError,
    TopologyChangedError,
)
from app.streaming.faust import process
from app.streaming.faust.app import Membership
from app.streaming.kafka import log as read_log
from app.streaming.kafka import topics
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.offsets import begin_positions
from app.streaming.names import repartition_topic
from app.streaming.topology import Topology
from tests.engine.cluster import Cluster
from tests.engine.inside import Inside
from tests.engine.log import Log, ticks
from tests.engine.topologies import acting, counting
from tests.topics import alter
from tests.waiting import PATIENCE_S, until

PARTITIONS = 1
DELAYS_MS = (100, 200)


@pytest.fixture
def log(kafka: str) -> Log:
    return Log(kafka)


@pytest.fixture
def asking(kafka: str) -> Iterator[Callable[[Topology], Clients]]:
    made: list[Clients] = []

    def make(topology: Topology) -> Clients:
        made.append(Clients(kafka, topology.group))
        return made[-1]

    yield make
    for clients in made:
        clients.close()


async def progress(log: Log, topology: Topology, directory: Path) -> None:
    """Some records of the topology, handled and committed."""
    topics.apply(log.bootstrap, topology.topics(), PARTITIONS, 1)
    log.send(f"{topology.name}-in", ticks(5, 2))
    task = Inside(topology, log.bootstrap, directory)
    await task.reset()
    await task.handle(10)
    await task.checkpoint()
    await task.close()


def test_a_new_group_that_acts_on_the_outside_must_be_told_its_start(
    log: Log, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """The process ends with code 2 and names the option."""
    with Cluster(log, tmp_path, "acting", unique("refused"), start=None) as cluster:
        worker = cluster.start("a")
        assert worker.wait() == 2
        assert "StartRequiredError" in worker.said()
        assert "--from earliest|latest|TIME" in worker.said()


@pytest.mark.anyio
async def test_once_told_its_start_a_group_goes_on_without(
    log: Log, tmp_path: Path, unique: Callable[[str], str], asking: Callable[[Topology], Clients]
) -> None:
    topology = acting(unique("told"), tmp_path, DELAYS_MS)
    topics.apply(log.bootstrap, topology.topics(), PARTITIONS, 1)
    with pytest.raises(StartRequiredError):
        begin_positions(asking(topology).ends, topology, 0, None)
    log.send(f"{topology.name}-in", ticks(3, 1))
    first = Inside(topology, log.bootstrap, tmp_path / "a", start="latest")
    await first.reset()
    await first.close()
    assert begin_positions(asking(topology).ends, topology, 0, None)[f"{topology.name}-in"] == 3


def test_a_start_at_the_end_still_reads_what_the_topology_sends_to_itself(
    log: Log, tmp_path: Path, unique: Callable[[str], str], asking: Callable[[Topology], Clients]
) -> None:
    """A task that began earlier may have fed this one."""
    topology = counting(unique("fed"), tmp_path, DELAYS_MS)
    topics.apply(log.bootstrap, topology.topics(), PARTITIONS, 1)
    fed = repartition_topic(topology.group, "by-bucket")
    log.send(fed, ticks(3, 1))
    log.send(f"{topology.name}-in", ticks(4, 1))
    positions = begin_positions(asking(topology).ends, topology, 0, "latest")
    assert (positions[fed], positions[f"{topology.name}-in"]) == (0, 4)


@pytest.mark.anyio
async def test_rows_without_offsets_are_no_new_group(
    log: Log, tmp_path: Path, unique: Callable[[str], str], asking: Callable[[Topology], Clients]
) -> None:
    topology = counting(unique("expired"), tmp_path, DELAYS_MS)
    await progress(log, topology, tmp_path / "a")
    admin = AdminClient({"bootstrap.servers": log.bootstrap})
    for deleted in admin.delete_consumer_groups([topology.group]).values():
        deleted.result(PATIENCE_S)
    with pytest.raises(OffsetsExpiredError, match="orderflow topology reset"):
        begin_positions(asking(topology).ends, topology, 0, "earliest")


@pytest.mark.anyio
async def test_a_table_added_to_a_group_with_progress_is_refused(
    log: Log, tmp_path: Path, unique: Callable[[str], str], asking: Callable[[Topology], Clients]
) -> None:
    name = unique("grown")
    await progress(log, counting(name, tmp_path, DELAYS_MS), tmp_path / "a")
    grown = counting(name, tmp_path, DELAYS_MS, extra="more")
    with pytest.raises(TopologyChangedError, match="under a new topology name"):
        begin_positions(asking(grown).ends, grown, 0, "earliest")


@pytest.mark.anyio
async def test_an_output_may_be_added_to_a_group_with_progress_and_a_source_may_not(
    log: Log, tmp_path: Path, unique: Callable[[str], str], asking: Callable[[Topology], Clients]
) -> None:
    name = unique("wider")
    await progress(log, counting(name, tmp_path, DELAYS_MS), tmp_path / "a")
    wider = counting(name, tmp_path, DELAYS_MS)
    wider.emits(f"{name}-out")
    topics.apply(log.bootstrap, wider.topics(), PARTITIONS, 1)
    assert begin_positions(asking(wider).ends, wider, 0, None)[f"{name}-in"] > 0
    wider.source(f"{name}-more", wider.sources[f"{name}-in"].codec)
    topics.apply(log.bootstrap, wider.topics(), PARTITIONS, 1)
    with pytest.raises(TopologyChangedError, match="new sources"):
        begin_positions(asking(wider).ends, wider, 0, None)


@pytest.mark.anyio
async def test_a_retry_topic_given_up_with_records_in_it_is_refused(
    log: Log, tmp_path: Path, unique: Callable[[str], str], asking: Callable[[Topology], Clients]
) -> None:
    """A delay may be added at any time, and taken away once its topic is read."""
    name = unique("hasty")
    before = counting(name, tmp_path, DELAYS_MS)
    await progress(log, before, tmp_path / "a")
    after = counting(name, tmp_path, (100, 300))
    topics.apply(log.bootstrap, after.topics(), PARTITIONS, 1)
    clients = asking(after)
    assert begin_positions(clients.ends, after, 0, None)[f"{after.group}-retry-300"] == 0
    log.send(f"{after.group}-retry-200", ticks(1, 1))
    with pytest.raises(TopologyChangedError, match=r"retry-200.* add its delay again"):
        begin_positions(clients.ends, after, 0, None)


@pytest.mark.parametrize("kind", ["counting", "acting"])
def test_a_worker_whose_rows_contradict_each_other_ends_and_says_so(
    log: Log, tmp_path: Path, unique: Callable[[str], str], kind: str
) -> None:
    """It neither goes on nor hangs: what supervises it must see that it is gone."""
    with Cluster(log, tmp_path, kind, unique("torn")) as cluster:
        worker = cluster.start("a")
        cluster.ready(worker)
        assert worker.stop() == 0
        one_is_parked = msgspec.msgpack.encode(Blocked(None, 0, 1))
        log.producer.produce(cluster.topology.changelog(BLOCKED.name), one_is_parked, b"key-1", partition=0)
        assert log.producer.flush(30) == 0
        torn = cluster.start("b")
        assert torn.wait() != 0
        assert "parked record 0 of key b'key-1' is gone" in torn.said()


def test_missing_and_wrong_topics_are_refused(log: Log, tmp_path: Path, unique: Callable[[str], str]) -> None:
    """Missing, of another partition count, or with settings that lose rows or refuse letters."""
    topology = counting(unique("topics"), tmp_path, DELAYS_MS)
    specs = topology.topics()
    with pytest.raises(TopicError, match=r"missing.*run `orderflow topics apply`"):
        topics.check(log.bootstrap, specs, PARTITIONS)
    topics.apply(log.bootstrap, specs, PARTITIONS, 1)
    topics.check(log.bootstrap, specs, PARTITIONS)
    with pytest.raises(TopicError, match="must have 4 partitions"):
        topics.check(log.bootstrap, specs, 4)
    for topic, setting, value in (
        (topology.changelog("counts"), "cleanup.policy", "delete"),
        (f"{topology.group}-dlq", "max.message.bytes", "1048588"),
        (f"{topology.group}-retry-100", "retention.ms", "60000"),
    ):
        alter(log.bootstrap, topic, setting, value)
        with pytest.raises(TopicError, match=f"{topic}: {setting}="):
            topics.check(log.bootstrap, specs, PARTITIONS)
        topics.apply(log.bootstrap, specs, PARTITIONS, 1)
        topics.check(log.bootstrap, specs, PARTITIONS)


def test_what_the_asked_broker_has_not_yet_learnt_of_is_set_all_the_same(
    log: Log, tmp_path: Path, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = counting(unique("topics"), tmp_path, DELAYS_MS)
    specs = topology.topics()
    topics.apply(log.bootstrap, specs, PARTITIONS, 1)
    alter(log.bootstrap, topology.changelog("counts"), "cleanup.policy", "delete")
    with monkeypatch.context() as broker:
        broker.setattr(topics, "_counts", lambda *_: {})
        topics.apply(log.bootstrap, specs, PARTITIONS, 1)
    topics.check(log.bootstrap, specs, PARTITIONS)


@pytest.mark.parametrize("of", ["retry-100", "redrive", "dlq"])
def test_a_topic_that_forgets_what_waits_in_it_is_refused_with_what_mends_it(
    log: Log, tmp_path: Path, unique: Callable[[str], str], of: str
) -> None:
    topology = counting(unique("retention"), tmp_path, DELAYS_MS)
    topic, specs = f"{topology.group}-{of}", topology.topics()
    topics.apply(log.bootstrap, specs, PARTITIONS, 1)
    for setting, value in (("retention.ms", str(365 * 86_400_000)), ("retention.bytes", str(2**40))):
        alter(log.bootstrap, topic, setting, value)
        with pytest.raises(
            RetentionError, match=rf"{topic}: {setting}=-1.*wait there .*; run `orderflow topics apply`"
        ):
            topics.check(log.bootstrap, specs, PARTITIONS)
        topics.apply(log.bootstrap, specs, PARTITIONS, 1)
        topics.check(log.bootstrap, specs, PARTITIONS)


@pytest.mark.parametrize("session_s", [0.5, 3600.0])
def test_a_session_that_the_brokers_do_not_allow_is_refused_by_name(
    log: Log, tmp_path: Path, unique: Callable[[str], str], session_s: float
) -> None:
    with Cluster(log, tmp_path, "counting", unique("session"), session_timeout_s=session_s) as cluster:
        worker = cluster.start("a")
        assert worker.wait() == 2
        assert f"no session of {session_s:g} s; set ORDERFLOW_SESSION_TIMEOUT" in worker.said()


def test_a_worker_tells_of_members_of_another_kind_and_joins_when_they_are_gone(
    log: Log, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    with Cluster(log, tmp_path, "counting", unique("others")) as cluster:
        other = Consumer({"bootstrap.servers": log.bootstrap, "group.id": cluster.topology.group})
        other.subscribe([cluster.source])
        until(lambda: other.poll(0.1) is None and other.memberid(), "the other is a member")
        worker = cluster.start("a")
        until(lambda: worker.told("membership.lost"), "it tells")
        assert "InconsistentGroupProtocolError" in worker.told("membership.lost")[0]["why"]
        other.close()
        cluster.ready(worker)


@pytest.mark.anyio
async def test_a_worker_gives_up_on_a_kafka_that_does_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "KAFKA_WAIT_S", 0.0)
    monkeypatch.setattr(topics, "LOOK_S", 0.2)
    (port,) = free_ports(0)
    membership = Membership(
        bootstrap=f"127.0.0.1:{port}",
        name="a",
        url="http://127.0.0.1:1",
        host="127.0.0.1",
        port=1,
        partitions=PARTITIONS,
        session_timeout_s=2.0,
        directory=tmp_path,
    )
    topology = counting("nowhere", tmp_path, DELAYS_MS)
    with pytest.raises(KafkaUnreachableError, match=f"127.0.0.1:{port}.*ORDERFLOW_KAFKA"):
        await process.serve(topology, membership, lambda *_: None, interval_s=0.1, start="earliest")


@pytest.mark.parametrize("ask", [lambda at: topics.check(at, [], 1), lambda at: list(read_log.read_topic(at, "any"))])
def test_a_kafka_out_of_reach_is_named_with_the_setting_to_mend(
    ask: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was asked of it."""
    monkeypatch.setattr(topics, "LOOK_S", 1.0)
    monkeypatch.setattr(read_log, "REQUEST_S", 1.0)
    (port,) = free_ports(0)
    with pytest.raises(KafkaUnreachableError, match=f"127.0.0.1:{port} does not answer .* mend ORDERFLOW_KAFKA"):
        ask(f"127.0.0.1:{port}")
