"""Publishes rows and the position behind them in one Kafka transaction."""

import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from app.errors import PermanentError, SetupError
from app.eventstore.call_thread import CallThread, PublisherHangsError
from app.eventstore.outbox import Mark, OutboxRow, Position
from app.eventstore.sending import SendRows, rows_sender
from app.librdkafka import CONNECTS_SOON
from app.librdkafka.owning import begin_ownership

REQUEST_S = 4.0
HANG_S = 3 * REQUEST_S
# how often to wait for room in the producer's queue
FLUSHES = 3
# what a relay that died in the middle may keep readers waiting, when no other takes over
TRANSACTION_MS = 10_000
MESSAGE_BYTES = 1_200_000


# of no aggregate: an older relay, which reads a mark wherever there is more than a place, has nothing to do for it
NO_MARK = Mark("00000000-0000-0000-0000-000000000000", "0", 0)

# what Kafka says of records that it will not take, as they are
REFUSALS = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_MSG,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_EXCEPTION,
}


class RowRefusedError(PermanentError):
    """Kafka does not take a row; nothing was published. `row` is that one; None: it is among those of the batch."""

    def __init__(self, why: object, row: OutboxRow | None) -> None:
        super().__init__(f"Kafka refuses it: {why}; mend its topic, then `orderflow outbox unblock`")
        self.row = row


class Publisher:
    """The one publisher of a shard. Making it fences the earlier ones and ends what they left open.

    After any `KafkaException` or `PublisherHangsError` the outcome of the last transaction is unknown: make a new one
    and ask for its position.
    """

    def __init__(self, kafka: str, group: str, topic: str, shard: int) -> None:
        # what fails is raised: the library's own lines on stderr would say it hundreds of times
        common = {"bootstrap.servers": kafka, "log_level": 0, **CONNECTS_SOON}
        self._partition = TopicPartition(topic, shard)
        self._found: set[str] = set()
        self._offsets = Consumer(
            common | {"group.id": group, "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        self._group = self._offsets.consumer_group_metadata()
        self._settings = common | {
            "transaction.timeout.ms": TRANSACTION_MS,
            "message.max.bytes": MESSAGE_BYTES,
            # as every other producer of the system: keys are co-partitioned
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            # the commit sends what is left; before, only full batches: small ones cost client and broker twice the time
            "linger.ms": 50,
            "batch.size": 1_000_000,
            # the commit says whether all were delivered: a report would take the interpreter's lock for each
            "delivery.report.only.error": True,
            # the default, 100, would be the p99 of a transaction
            "retry.backoff.ms": 1,
            "retry.backoff.max.ms": 20,
        }
        # In turn: Kafka ends a transaction after it has answered that it is committed, and until then has its producer
        # ask again for the next one. A transaction begins when the one before it is committed, whoever's that was.
        self._producers = [(name, self._made(name)) for name in (f"{group}-{shard}", f"{group}-{shard}-other")]
        self._send_rows = rows_sender()
        self._thread = CallThread("publisher")

    def begin_ownership(self) -> Position | None:
        """Up to where the shard is published, whoever did it; None when Kafka does not know (any more)."""
        for _, producer in self._producers:
            begin_ownership(producer, self._partition.topic, REQUEST_S)
        topic, shard = self._partition.topic, self._partition.partition
        metadata = self._offsets.list_topics(topic, REQUEST_S).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        if shard >= len(metadata.partitions):
            raise SetupError(f"shard {shard} needs partition {shard} of {topic}; create the topic with more partitions")
        (committed,) = self._offsets.committed([self._partition], REQUEST_S)
        if committed.offset < 0:
            return None
        return _position(committed)

    def publish(
        self, rows: Sequence[OutboxRow], position: Position, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Rows and position, both or neither. `meanwhile` is done by the caller's thread before it waits for Kafka.

        Neither after a `RowRefusedError`. This can be used on, by who is the owner still: ask PostgreSQL first, since
        it has fenced all others again.
        """
        for row in rows:
            if row.aggregatetype not in self._found:
                self._find_topic(row)
        # the offset counts what was published; the position itself goes along as its metadata
        where = TopicPartition(
            self._partition.topic, self._partition.partition, position.published, _metadata(position)
        )
        try:
            self._thread.begin(lambda: self._transact(rows, where))
            meanwhile()
            self._thread.wait(HANG_S)
        except RowRefusedError:
            self._begin_again()
            raise
        except KafkaException as error:
            if error.args[0].code() not in REFUSALS:
                raise
            self._begin_again()
            raise RowRefusedError(error.args[0].str(), None) from error

    def _find_topic(self, row: OutboxRow) -> None:
        """Kafka would be asked for a topic that it lacks for as long as the limit of a delivery."""
        found = self._offsets.list_topics(row.topic, REQUEST_S).topics[row.topic]
        if found.error is not None and found.error.code() in REFUSALS:
            raise RowRefusedError(f"{row.topic}: {found.error.str()}", row)
        if found.error is not None:
            raise KafkaException(found.error)
        self._found.add(row.aggregatetype)

    def _begin_again(self) -> None:
        """After an abort, librdkafka would go on behind the sequence numbers of what was refused. This aborts too."""
        name, refused = self._producers[0]
        producer = self._made(name)
        self._producers[0] = name, producer
        threading.Thread(target=refused.purge, name="publisher-purge", daemon=True).start()
        begin_ownership(producer, self._partition.topic, REQUEST_S)

    def _made(self, transactional_id: str) -> Producer:
        return Producer(self._settings | {"transactional.id": transactional_id})

    def _transact(self, rows: Sequence[OutboxRow], where: TopicPartition) -> None:
        _, producer = self._producers[0]
        producer.begin_transaction()
        _produce(producer, rows, self._send_rows)
        producer.send_offsets_to_transaction([where], self._group, REQUEST_S)
        _commit(producer)
        self._producers.reverse()

    def close(self) -> None:
        """Leaves an open transaction to the next owner, which ends it. Not waited for: a client may hang in its end."""
        self._thread.end()
        threading.Thread(target=self._let_go, name="publisher-close", daemon=True).start()

    def _let_go(self) -> None:
        for _, producer in self._producers:
            producer.purge()
        self._offsets.close()


def _produce(producer: Producer, rows: Sequence[OutboxRow], send_rows: SendRows) -> None:
    flushes = 0
    while True:
        taken, error = send_rows(producer, rows)
        rows, flushes = rows[taken:], 0 if taken else flushes
        if error is None:
            return
        if error.code() in REFUSALS:
            raise RowRefusedError(error.str(), rows[0]) from KafkaException(error)
        if error.code() != KafkaError._QUEUE_FULL:
            raise KafkaException(error)
        if flushes == FLUSHES:
            raise PublisherHangsError(
                f"Kafka takes nothing since {FLUSHES * REQUEST_S:.0f} s; a new publisher will try"
            )
        producer.flush(REQUEST_S)
        flushes += 1


def _commit(producer: Producer) -> None:
    until = time.monotonic() + REQUEST_S
    while True:
        try:
            producer.commit_transaction(REQUEST_S)
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > until:
                raise
        else:
            return


def _metadata(position: Position) -> str:
    mark = position.released or NO_MARK
    return ",".join(map(str, [position.xid, position.seq, mark.aggregateid, mark.xid, mark.seq, position.event_id]))


def _position(committed: TopicPartition) -> Position:
    """Also of a relay of an older release, which said less: no event, and no mark where nothing was released."""
    xid, seq, *rest = committed.metadata.split(",")
    mark = Mark(rest[0], rest[1], int(rest[2])) if rest else NO_MARK
    event_id = rest[3] if len(rest) > 3 else ""
    return Position(xid, int(seq), committed.offset, None if mark == NO_MARK else mark, event_id)
