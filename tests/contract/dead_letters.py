"""Dead letters in real topics, a worker's part played by a thread, and the desk of an operator."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition

from app.deadletters.desk import FilledDesk, desk
from app.serde.lock import committed_registry
from app.streaming.failures import Attempt, Behind, Redrive, dead_letter, engine_headers
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.log import read_topic
from app.streaming.kafka.messages import to_record
from app.streaming.letters import Result, outcome_output
from app.streaming.names import dlq_topic, redrive_topic
from app.streaming.record import Output, Record
from tests.topics import MakeTopics
from tests.waiting import PATIENCE_S

PARTITIONS = 2
SOURCE = "orders.events"
NOW_MS = 1_767_225_600_000


class BugError(Exception):
    """What a handler raises."""


class Post:
    """The DLQ and the redrive topic of one group."""

    def __init__(self, kafka: str, group: str, make_topics: MakeTopics) -> None:
        self.kafka, self.group = kafka, group
        make_topics(dlq_topic(group), redrive_topic(group), partitions=PARTITIONS)
        self._producer: Producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "log_level": 0})
        self._offsets = iter(range(1_000_000))
        self._worked: dict[int, int] = {}

    def die(
        self,
        key: bytes,
        *,
        value: bytes | None = b"\x07",
        error: Exception | None = None,
        behind: Behind | None = None,
        attempt: Attempt | None = None,
        origin: Record | None = None,
    ) -> Record:
        """A letter for one record of this key; the record as it stood in its own topic."""
        partition = key[-1] % PARTITIONS
        record = origin or Record(SOURCE, partition, next(self._offsets), NOW_MS, key, value, [("h", b"1")])
        reason = "parked-behind" if behind else "non-retryable"
        failed = raised(error or BugError("order 17 has 'no' total"))
        self.put(dead_letter(self.group, record, partition, attempt or Attempt(), failed, reason, NOW_MS, behind))
        return record

    def die_all(self, keys: Sequence[bytes]) -> list[Record]:
        return [self.die(key) for key in keys]

    def put(self, output: Output) -> None:
        self._producer.produce(
            output.topic,
            output.value,
            output.key,
            output.partition,
            headers=list(output.headers),
            timestamp=output.timestamp_ms,
        )

    def flush(self) -> None:
        assert self._producer.flush(PATIENCE_S) == 0

    def sent(self) -> list[Record]:
        """What was sent back, by partition."""
        return list(read_topic(self.kafka, redrive_topic(self.group)))

    def letters_sent(self) -> list[str]:
        return [engine_headers(record)[1]["__orderflow.letter"] for record in self.sent()]

    @contextmanager
    def desk(self, dsn: str) -> Iterator[FilledDesk]:
        self.flush()
        with desk(self.kafka, dsn, [self.group], committed_registry()) as found:
            yield found

    @contextmanager
    def worker(self, decide: Callable[[Record], Result] = lambda record: "resolved") -> Iterator[None]:
        """A worker that handles what is sent back as `decide` says; a record that is to die becomes a letter again.

        It begins where the one before it has ended.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(stop, decide), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _work(self, stop: threading.Event, decide: Callable[[Record], Result]) -> None:
        consumer: Consumer = Clients(self.kafka, f"{self.group}-stand-in").follower()
        topic, begins = redrive_topic(self.group), self._worked
        places = consumer.list_topics(topic, PATIENCE_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, place, begins.get(place, 0)) for place in places])
        while not stop.is_set():
            message = consumer.poll(0.05)
            if message is not None and message.error() is None:
                self._handle(to_record(message), decide)
                self.flush()
                self._worked[message.partition()] = message.offset() + 1
        consumer.close()

    def _handle(self, sent: Record, decide: Callable[[Record], Result]) -> None:
        count, said = engine_headers(sent)
        ours = {name.removeprefix("__orderflow."): value for name, value in said.items()}
        redrive = Redrive(ours["letter"], ours["run"], int(ours["redrives"]))
        result: Result = "discarded" if ours["action"] == "discard" else decide(sent)
        if result == "dead":
            origin = Record(
                ours["topic"],
                int(ours["partition"]),
                int(ours["offset"]),
                int(ours["timestamp"]),
                sent.key,
                sent.value,
                sent.headers[:count],
            )
            self.die(sent.key or b"", attempt=Attempt(1, NOW_MS, redrive), origin=origin)
        self.put(outcome_output(self.group, redrive, result, sent.key, sent.partition, NOW_MS))


def raised(error: Exception) -> Exception:
    """The error with a stack."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - any error that a test thinks of
        return caught
