"""Where a task begins: its group's stable offsets, or, once, the start that was chosen for the group."""

from typing import Literal, TypeAlias

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition

from app.streaming.errors import OffsetsExpiredError, StartRequiredError, TopologyChangedError
from app.streaming.kafka.clients import Clients
from app.streaming.topology import Topology

REQUEST_S = 30.0

Start: TypeAlias = Literal["earliest", "latest"] | int  # an int is milliseconds since the epoch


def tables_metadata(topology: Topology) -> str:
    """Committed beside every offset: the tables that the progress was made with."""
    return "tables=" + ",".join(sorted(topology.tables))


def begin_positions(clients: Clients, topology: Topology, partition: int, start: Start | None) -> dict[str, int]:
    """The next offset of each input topic (blocking).

    A group's first positions are those of `start`, for all of its topics at once; later they are its stable committed
    offsets. Raises a `SetupError` that says what to do where these do not agree with what is declared.
    """
    consumer = clients.offsets()
    try:
        wanted = [TopicPartition(topic, partition) for topic in topology.input_topics]
        found = {tp.topic: tp for tp in consumer.committed(wanted, REQUEST_S)}
        committed = {topic: tp.offset for topic, tp in found.items() if tp.offset >= 0}
        if not committed:
            _check_no_rows(consumer, topology, partition)
            return _first_positions(consumer, topology, partition, start)
        _check_declaration(topology, committed, {found[topic].metadata for topic in committed})
        missing = [topic for topic in topology.retry_topics if topic not in committed]
        return committed | {topic: _low(consumer, topic, partition) for topic in missing}
    finally:
        consumer.close()


def _check_no_rows(consumer: Consumer, topology: Topology, partition: int) -> None:
    for table in topology.tables:
        changelog = topology.changelog(table)
        if consumer.get_watermark_offsets(TopicPartition(changelog, partition), REQUEST_S)[1] > 0:
            raise OffsetsExpiredError(
                f"group {topology.group} has no committed offsets for partition {partition}, but {changelog} has "
                "records: its offsets expired or were deleted. Delete the group's changelogs and its workers' data "
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
        "rows made before would be missing. Deploy it under a new topology name, so that it is built from the start"
    )


def _first_positions(consumer: Consumer, topology: Topology, partition: int, start: Start | None) -> dict[str, int]:
    if start is None and topology.start_required:
        raise StartRequiredError(
            f"topology {topology.name} acts on the outside world and its group is new: say where it starts with "
            "`--from earliest|latest|TIME`"
        )
    own = {topic: _low(consumer, topic, partition) for topic in topology.retry_topics}
    return own | {topic: _start(consumer, topic, partition, start or "earliest") for topic in topology.sources}


def _start(consumer: Consumer, topic: str, partition: int, start: Start) -> int:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), REQUEST_S)
    if isinstance(start, int):
        offset: int = consumer.offsets_for_times([TopicPartition(topic, partition, start)], REQUEST_S)[0].offset
        return offset if offset not in (OFFSET_BEGINNING, OFFSET_END) and offset >= 0 else int(high)
    return int(low) if start == "earliest" else int(high)


def _low(consumer: Consumer, topic: str, partition: int) -> int:
    return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), REQUEST_S)[0])


def committed_ends(clients: Clients, topics: list[str], partition: int) -> dict[str, int]:
    """The committed end of each topic now (blocking)."""
    consumer = clients.offsets()
    try:
        return {t: int(consumer.get_watermark_offsets(TopicPartition(t, partition), REQUEST_S)[1]) for t in topics}
    finally:
        consumer.close()
