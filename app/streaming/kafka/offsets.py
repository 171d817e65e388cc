"""Where a task begins: its group's stable offsets, or, once, the start that was chosen for the group."""

from typing import Literal, TypeAlias

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from app.streaming.errors import OffsetsExpiredError, ResetUnfinishedError, StartRequiredError, TopologyChangedError
from app.streaming.kafka.moving import ends
from app.streaming.names import retry_topic
from app.streaming.topology import Repartition, Topology

REQUEST_S = 30.0

RESETTING = "resetting"  # committed beside the offsets of a group that is being reset

Start: TypeAlias = Literal["earliest", "latest"] | int  # an int is milliseconds since the epoch


def tables_metadata(topology: Topology) -> str:
    """Committed beside every offset: the tables that the progress was made with."""
    return "tables=" + ",".join(sorted(topology.tables))


def begin_positions(consumer: Consumer, topology: Topology, partition: int, start: Start | None) -> dict[str, int]:
    """The next offset of each input topic (blocking).

    A group's first positions are those of `start`, for all of its topics at once; later they are its stable committed
    offsets. Raises a `SetupError` that says what to do where these do not agree with what is declared.
    """
    found = _committed(consumer, topology.input_topics, partition)
    if RESETTING in {tp.metadata for tp in found.values()}:
        raise ResetUnfinishedError(
            f"the reset of topology {topology.name} has not ended; run `orderflow topology reset {topology.name}` again"
        )
    committed = {topic: tp.offset for topic, tp in found.items() if tp.offset >= 0}
    _check_retired(consumer, topology, partition)
    if not committed:
        _check_no_rows(consumer, topology, partition)
        if start is None and topology.start_required:
            raise StartRequiredError(
                f"topology {topology.name} acts on the outside world and its group is new: say where it starts with "
                "`--from earliest|latest|TIME`"
            )
        return first_positions(consumer, topology, partition, start or "earliest")
    _check_declaration(topology, committed, {found[topic].metadata for topic in committed})
    missing = [topic for topic in topology.delayed_topics if topic not in committed]
    return committed | {topic: _low(consumer, topic, partition) for topic in missing}


def _committed(consumer: Consumer, topics: list[str], partition: int) -> dict[str, TopicPartition]:
    """Stable offsets; that one could not be had is an error, never "none is committed"."""
    found = consumer.committed([TopicPartition(topic, partition) for topic in topics], REQUEST_S)
    for tp in found:
        if tp.error is not None:
            raise KafkaException(tp.error)
    return {tp.topic: tp for tp in found}


def _check_retired(consumer: Consumer, topology: Topology, partition: int) -> None:
    """A retry topic that is no longer declared may hold heads whose keys would wait for ever."""
    known = consumer.list_topics(timeout=REQUEST_S).topics
    own = retry_topic(topology.group, 0).removesuffix("0")
    retired = [t for t in known if t.startswith(own) and t[len(own) :].isdigit() and t not in topology.retry_topics]
    for topic, tp in _committed(consumer, retired, partition).items() if retired else ():
        low, high = ends(consumer, topic, partition)
        if max(tp.offset, low) < high:
            raise TopologyChangedError(
                f"{topic}[{partition}] is no longer a retry topic of {topology.name}, but holds records that are not "
                "read; add its delay again until they are, then take it away"
            )


def _check_no_rows(consumer: Consumer, topology: Topology, partition: int) -> None:
    for table in topology.tables:
        changelog = topology.changelog(table)
        if ends(consumer, changelog, partition)[1] > 0:
            raise OffsetsExpiredError(
                f"group {topology.group} has no committed offsets for partition {partition}, but {changelog} has "
                f"records: its offsets expired or were deleted. Run `orderflow topology reset {topology.name}` "
                "to rebuild it from the start, or commit the offsets where it stood"
            )


def _check_declaration(topology: Topology, committed: dict[str, int], metadata: set[str | None]) -> None:
    new = [topic for topic in topology.sources if topic not in committed]
    recorded = {text for text in metadata if text}
    if not new and recorded <= {tables_metadata(topology)}:
        return
    changed = f"new sources {new}" if new else f"{sorted(recorded)} became {tables_metadata(topology)}"
    raise TopologyChangedError(
        f"group {topology.group} has made progress without what topology {topology.name} declares now ({changed}); "
        "rows made before would be missing. Deploy it under a new topology name, so that it is built from the start, "
        f"or empty this one with `orderflow topology reset {topology.name}`"
    )


def begun_reset(consumer: Consumer, topology: Topology, partition: int) -> dict[str, int]:
    """The start that a reset has committed which did not end; nothing where there is none (blocking)."""
    found = _committed(consumer, topology.input_topics, partition)
    return {topic: tp.offset for topic, tp in found.items() if tp.metadata == RESETTING}


def first_positions(consumer: Consumer, topology: Topology, partition: int, start: Start) -> dict[str, int]:
    """The next offset of each input topic for a group that begins at `start` (blocking)."""
    # what the topology writes for itself it reads from the start: a task that began earlier may have fed this one
    fed = [topic for topic, source in topology.sources.items() if isinstance(source, Repartition)]
    own = {topic: _low(consumer, topic, partition) for topic in [*topology.delayed_topics, *fed]}
    told = [topic for topic in topology.sources if topic not in own]
    return own | {topic: _start(consumer, topic, partition, start) for topic in told}


def _start(consumer: Consumer, topic: str, partition: int, start: Start) -> int:
    low, high = ends(consumer, topic, partition)
    if isinstance(start, int):
        offset: int = consumer.offsets_for_times([TopicPartition(topic, partition, start)], REQUEST_S)[0].offset
        return offset if offset not in (OFFSET_BEGINNING, OFFSET_END) and offset >= 0 else high
    return low if start == "earliest" else high


def _low(consumer: Consumer, topic: str, partition: int) -> int:
    return ends(consumer, topic, partition)[0]


def committed_ends(consumer: Consumer, topics: list[str], partition: int) -> dict[str, int]:
    """The committed end of each topic now (blocking)."""
    return {topic: ends(consumer, topic, partition)[1] for topic in topics}
