"""Publishes rows and the position behind them in one Kafka transaction."""

import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from app.errors import SetupError, TransientError
from app.eventstore.outbox import OutboxRow, Position

REQUEST_S = 4.0
HANG_S = 3 * REQUEST_S
# what a relay that died in the middle may keep readers waiting, when no other takes over
TRANSACTION_MS = 10_000
MESSAGE_BYTES = 1_200_000


class PublisherHangsError(TransientError):
    """A call did not come back; the publisher is of no more use."""


class Publisher:
    """The one publisher of a shard. Making it fences the earlier ones and ends what they left open.

    After any `KafkaException` or `PublisherHangsError` the outcome of the last transaction is unknown: make a new one
    and ask for its position.
    """

    def __init__(self, kafka: str, group: str, topic: str, shard: int) -> None:
        # what fails is raised: the library's own lines on stderr would say it hundreds of times
        common = {"bootstrap.servers": kafka, "log_level": 0}
        self._partition = TopicPartition(topic, shard)
        self._offsets = Consumer(
            common | {"group.id": group, "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        self._producer = Producer(
            common
            | {
                "transactional.id": f"{group}-{shard}",
                "transaction.timeout.ms": TRANSACTION_MS,
                "message.max.bytes": MESSAGE_BYTES,
                # as every other producer of the system: keys are co-partitioned
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 1,
                "batch.size": 262_144,
                # the commit says whether all were delivered
                "delivery.report.only.error": True,
                # the default, 100, would be the p99 of a transaction
                "retry.backoff.ms": 5,
                "retry.backoff.max.ms": 20,
            }
        )

    def begin_ownership(self) -> Position | None:
        """Up to where the shard is published, whoever did it; None when Kafka does not know (any more)."""
        self._producer.init_transactions(REQUEST_S)
        topic, shard = self._partition.topic, self._partition.partition
        metadata = self._offsets.list_topics(topic, REQUEST_S).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        if shard >= len(metadata.partitions):
            raise SetupError(f"shard {shard} needs partition {shard} of {topic}; create the topic with more partitions")
        (committed,) = self._offsets.committed([self._partition], REQUEST_S)
        if committed.offset < 0:
            return None
        xid, seq = committed.metadata.split(",")
        return Position(xid, int(seq), committed.offset)

    def publish(self, rows: Sequence[OutboxRow], position: Position) -> None:
        """Rows and position, both or neither."""
        self._producer.begin_transaction()
        for row in rows:
            self._produce(row)
        # the offset counts what was published; the position itself goes along as its metadata
        where = TopicPartition(
            self._partition.topic, self._partition.partition, position.published, f"{position.xid},{position.seq}"
        )
        _within(HANG_S, lambda: self._finish(where))

    def _finish(self, where: TopicPartition) -> None:
        self._producer.send_offsets_to_transaction([where], self._offsets.consumer_group_metadata(), REQUEST_S)
        self._commit()

    def _produce(self, row: OutboxRow) -> None:
        try:
            self._producer.produce(row.topic, row.payload, row.aggregateid, headers=row.headers())
        except BufferError:
            self._producer.flush(REQUEST_S)
            self._producer.produce(row.topic, row.payload, row.aggregateid, headers=row.headers())

    def _commit(self) -> None:
        until = time.monotonic() + REQUEST_S
        while True:
            try:
                self._producer.commit_transaction(REQUEST_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise
            else:
                return

    def close(self) -> None:
        """Leaves an open transaction to the next owner, which ends it. Not waited for: a client may hang in its end."""
        threading.Thread(target=self._let_go, name="publisher-close", daemon=True).start()

    def _let_go(self) -> None:
        self._producer.purge()
        self._offsets.close()


def _within(limit_s: float, call: Callable[[], None]) -> None:
    """The call in a thread that is given up past the limit: librdkafka does not always keep its own (5456, 5511)."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=run, name="publisher-commit", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise PublisherHangsError(f"Kafka did not answer a commit within {limit_s:.0f} s; a new publisher will ask")
    if raised:
        raise raised[0]
