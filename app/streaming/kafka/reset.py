"""Takes a topology back to a chosen start: its tables, and whatever it wrote for itself, are emptied.

1 every task is fenced, and its start is committed beside the word that a reset is under way, with which no worker
begins; 2 changelogs, repartition, retry and redrive topics are emptied; 3 the starts are committed as those of any
group. Killed at any point it can be run again, and until it has ended the workers refuse. Dead letters stay.
"""

import re
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.streaming.errors import GroupActiveError, StartRequiredError
from app.streaming.kafka import topics
from app.streaming.kafka.checkpoint import Transactions
from app.streaming.kafka.clients import COMMON, Clients
from app.streaming.kafka.offsets import RESETTING, Start, begun_reset, first_positions, tables_metadata
from app.streaming.names import dlq_topic, retry_topic
from app.streaming.state import Snapshot, TaskState
from app.streaming.topology import Repartition, TopicSpec, Topology

REQUEST_S = 30.0

Tell = Callable[[str], None]


async def reset(bootstrap: str, topology: Topology, partitions: int, start: Start | None, tell: Tell) -> None:
    """For a loop of its own, since most of it blocks; `tell` is called before each step.

    Without a start, that of a reset which did not end is taken, else the earliest. Raises a `SetupError`, having done
    nothing, while the group has members, or where a start must be told.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
    topics.check_counts(admin, bootstrap, topology.topics(), partitions)
    _refuse_members(admin, topology)
    clients = Clients(bootstrap, topology.group)
    try:
        starts = {number: _start_of(clients, topology, number, start) for number in range(partitions)}
        tell(f"fencing {partitions} tasks")
        for number, positions in starts.items():
            await _commit(clients, topology, number, RESETTING, positions)
        own_topics = _own_topics(admin, topology)
        tell(f"emptying {', '.join(spec.name for spec in own_topics)}")
        topics.let_delete(admin, own_topics)
        topics.empty(admin, own_topics, partitions)
        tell("keeping changelogs again")
        topics.keep_again(admin, own_topics)
        tell("committing where it starts")
        for number, positions in starts.items():
            own = first_positions(clients.ends, topology, number, "earliest")
            told = {topic: offset for topic, offset in positions.items() if topic in _told(topology)}
            await _commit(clients, topology, number, tables_metadata(topology), own | told)
    finally:
        clients.close()


def _refuse_members(admin: AdminClient, topology: Topology) -> None:
    try:
        group = admin.describe_consumer_groups([topology.group], request_timeout=REQUEST_S)[topology.group].result()
    except KafkaException as error:
        if error.args[0].name() == "GROUP_ID_NOT_FOUND":
            return
        raise
    if group.members:
        members = ", ".join(sorted(member.client_id for member in group.members))
        raise GroupActiveError(
            f"group {topology.group} has live members: {members}; stop them, then reset {topology.name} again (one "
            "that was killed is a member until its session ends)"
        )


def _start_of(clients: Clients, topology: Topology, partition: int, start: Start | None) -> dict[str, int]:
    if start is None and (begun := begun_reset(clients.ends, topology, partition)):
        return begun
    if start is None and topology.start_required:
        raise StartRequiredError(
            f"topology {topology.name} acts on the outside world, and would act again on what it reads again: say from "
            "where with `--from earliest|latest|TIME`"
        )
    return first_positions(clients.ends, topology, partition, start or "earliest")


def _told(topology: Topology) -> list[str]:
    """The sources whose start is chosen: what the topology writes for itself is emptied."""
    return [topic for topic, source in topology.sources.items() if not isinstance(source, Repartition)]


def _own_topics(admin: AdminClient, topology: Topology) -> list[TopicSpec]:
    """Retry topics that are no longer declared are among them: what waits there is of the past."""
    known = admin.list_topics(timeout=REQUEST_S).topics
    declared = [spec for spec in topology.topics() if spec.kind in {"changelog", "repartition", "redrive"}]
    retry = re.compile(re.escape(retry_topic(topology.group, 0))[:-1] + r"\d+")
    return [*declared, *(TopicSpec(topic, "retry") for topic in known if retry.fullmatch(topic))]


async def _commit(
    clients: Clients, topology: Topology, partition: int, metadata: str, positions: dict[str, int]
) -> None:
    """As an owner of the task: whoever was it can commit nothing any more. Each changelog is moved on by a record, so
    that its end, once it is emptied, lies past what any worker's disk holds of it."""
    state = TaskState(list(topology.tables.values()), topology.changelog, set())
    marker: dict[bytes, bytes | None] = {b"reset": None}
    moved = [(table, marker) for table in state.tables.values()] if metadata == RESETTING else []
    owner = Transactions(clients.producer(f"{topology.group}-{partition}"), clients.ends, partition, metadata)
    try:
        owner.begin_ownership(dlq_topic(topology.group))
        await owner.commit(Snapshot(moved, [], positions))
    finally:
        owner.retire()
