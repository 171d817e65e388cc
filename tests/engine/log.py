"""What the topics of a test say, by plain clients: the oracle that workers are compared with."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from app.streaming.topology import Topology
from tests.engine.topologies import Tick, bucket_of, output_number
from tests.waiting import PATIENCE_S

PARTITIONS = 4


class Log:
    """Writes source records and reads what is committed."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._asked: dict[tuple[str, str], Consumer] = {}
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": 2_000_000,
                "log_level": 0,
            }
        )

    def send(self, topic: str, ticks: Iterable[Tick]) -> None:
        """Returns when they are in the topic."""
        for tick in ticks:
            self.producer.produce(topic, msgspec.msgpack.encode(tick), tick.key.encode())
        assert self.producer.flush(PATIENCE_S) == 0

    def consumer(self, group: str = "oracle", isolation: str = "read_committed") -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "fetch.message.max.bytes": 5_000_000,
                "fetch.wait.max.ms": 20,  # the end of a partition is told by an empty answer
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def _asking(self, group: str = "oracle", isolation: str = "read_committed") -> Consumer:
        """One that is kept: each client has threads and connections of its own, and conditions are asked for often."""
        if (group, isolation) not in self._asked:
            self._asked[group, isolation] = self.consumer(group, isolation)
        return self._asked[group, isolation]

    def ends(self, topic: str, partitions: int = PARTITIONS) -> dict[int, int]:
        """The next offset of each partition, what is not decided yet counted too."""
        raw = self._asking(isolation="read_uncommitted")
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        return {place.partition: raw.get_watermark_offsets(place, PATIENCE_S)[1] for place in places}

    def records(self, topic: str, partitions: int = PARTITIONS, after: Iterable[Message] = ()) -> list[Message]:
        """Every committed record of a topic; waits for what is decided but not yet marked in its partition. `after`
        are those that are known already."""
        begins = dict.fromkeys(range(partitions), OFFSET_BEGINNING)
        begins |= {message.partition(): message.offset() + 1 for message in after}
        ends = self.ends(topic, partitions)
        consumer = self._asking()
        try:
            # else it learns who leads only at its next tick, half a second later
            consumer.list_topics(topic, PATIENCE_S)
            consumer.assign([TopicPartition(topic, *begin) for begin in begins.items()])
            found: list[Message] = []
            while ends:
                message = consumer.poll(PATIENCE_S)
                assert message is not None, f"{topic} gave nothing for {PATIENCE_S:g} s"
                if message.error() is None:
                    found.append(message)
                elif message.error().name() == "_PARTITION_EOF" and message.offset() >= ends.get(
                    message.partition(), 0
                ):
                    ends.pop(message.partition(), None)
            return found
        finally:
            consumer.unassign()

    def rows(self, topic: str, partitions: int = PARTITIONS) -> dict[bytes, Any]:
        """What a changelog says of each key."""
        rows: dict[bytes, Any] = {}
        for message in self.records(topic, partitions):
            if message.value() is None:
                rows.pop(message.key(), None)
            else:
                rows[message.key()] = msgspec.msgpack.decode(message.value())
        return rows

    def lag(self, topology: Topology) -> int:
        """Records that the group has not committed, of all topics that its tasks read; undecided ones count too."""
        wanted = [TopicPartition(t, p) for t in topology.input_topics for p in range(PARTITIONS)]
        committed = self._asking(topology.group).committed(wanted, PATIENCE_S)
        # after the offsets: their marker may be written before those of the records of the same transaction
        ends = {topic: self.ends(topic) for topic in topology.input_topics}
        return sum(ends[place.topic][place.partition] - max(place.offset, 0) for place in committed)


def ticks(keys: int, each: int, first: int = 1) -> list[Tick]:
    """`each` ticks for every key, the keys taking turns."""
    return [Tick(key=f"key-{k}", number=n) for n in range(first, first + each) for k in range(keys)]


def differences(log: Log, topology: Topology, sent: Sequence[Tick], partitions: int = PARTITIONS) -> list[str]:
    """Where source, rows and outputs are not what a count of the sent ticks says."""
    source = next(iter(topology.sources))
    logged = Counter(
        (m.key().decode(), msgspec.msgpack.decode(m.value(), type=Tick).number) for m in log.records(source, partitions)
    )
    found = [f"{source}: {tick} is there {n} times" for tick, n in logged.items() if n != 1]
    wanted = Counter(tick.key for tick in sent)
    last = {tick.key: tick.number for tick in sent}
    counts = {row[0]: row[1:4] for row in log.rows(topology.changelog("counts"), partitions).values()}
    found += [
        f"row of {key}: {counts.get(key)}, not {[count, last[key], 0]}"
        for key, count in wanted.items()
        if counts.get(key) != [count, last[key], 0]
    ]
    if "totals" in topology.tables:
        found += _wrong_totals(log, topology, wanted, partitions)
    outputs: dict[str, list[int | str]] = {}
    for message in log.records(topology.outputs[0], partitions):
        outputs.setdefault(message.key().decode(), []).append(output_number(message.value()))
    found += [
        f"outputs of {key}: {outputs.get(key)}, not 1..{count}"
        for key, count in wanted.items()
        if outputs.get(key) != list(range(1, count + 1))
    ]
    return found


def _wrong_totals(log: Log, topology: Topology, wanted: Counter[str], partitions: int) -> list[str]:
    totals = {row[0]: row[1] for row in log.rows(topology.changelog("totals"), partitions).values()}
    buckets: Counter[str] = Counter()
    for key, count in wanted.items():
        buckets[bucket_of(key)] += count
    return [f"{name}: {totals.get(name)}, not {total}" for name, total in buckets.items() if totals.get(name) != total]
