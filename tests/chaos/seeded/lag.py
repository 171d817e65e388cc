"""How far groups are behind their topics, asked in a way that brokers which come and go cannot break.

By plain consumers: an admin client that asks for a group's offsets while its coordinator moves crashes the process
(librdkafka hands the answer to a membership that such a client has not got).
"""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.streaming.kafka import moving
from app.streaming.topology import Topology

REQUEST_S = 10.0

Ends = dict[tuple[str, int], int]


class Lag:
    """Consumers that never join. Raises `KafkaException` while somebody who must be asked is away."""

    def __init__(self, bootstrap: str, topologies: Iterable[Topology], partitions: int) -> None:
        self._groups = {topology: _consumer(bootstrap, topology.group) for topology in topologies}
        self._partitions = partitions

    def ends(self) -> Ends:
        """The next offset of all that is read, what is not decided yet counted too."""
        asked = next(iter(self._groups.values()))
        topics = sorted({topic for topology in self._groups for topic in topology.input_topics})
        places = [(topic, partition) for topic in topics for partition in range(self._partitions)]
        return {place: moving.ends(asked, *place)[1] for place in places}

    def behind(self, ends: Ends | None = None) -> int:
        """Records that the groups have yet to commit, up to these ends or to those of now."""
        committed = {topology: self._committed(topology) for topology in self._groups}
        ends = self.ends() if ends is None else ends
        return sum(
            max(0, ends[place] - max(offset, 0)) for offsets in committed.values() for place, offset in offsets.items()
        )

    def _committed(self, topology: Topology) -> Ends:
        wanted = [TopicPartition(topic, p) for topic in topology.input_topics for p in range(self._partitions)]
        found = self._groups[topology].committed(wanted, REQUEST_S)
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return {(place.topic, place.partition): place.offset for place in found}

    def close(self) -> None:
        for consumer in self._groups.values():
            consumer.close()


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
    )
