"""The Kafka clients of a worker and their settings, each with its reason."""

from functools import cached_property
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from app.librdkafka import CONNECTS_SOON
from app.streaming.errors import KafkaUnreachableError

MESSAGE_LIMIT = 2_500_000  # bytes; above the limit of every topic of ours, which is what counts
TRANSACTION_TIMEOUT_MS = 60_000

COMMON = {
    **CONNECTS_SOON,
    "reconnect.backoff.max.ms": 1_000,  # the default is 10 s: a broker that is back would be noticed that late
    "log_level": 2,  # what fails is raised where it was asked for
}
PATIENT = {"fetch.min.bytes": 100_000, "fetch.wait.max.ms": 500}


def unreachable(bootstrap: str, error: KafkaException) -> KafkaUnreachableError:
    """What a request that met no broker is to the one who asked for it."""
    return KafkaUnreachableError(
        f"Kafka at {bootstrap} does not answer ({error.args[0].str()}); start it or mend ORDERFLOW_KAFKA"
    )


class Clients:
    """Builds clients for one broker list; `group` names whose offsets they read and write."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self.bootstrap, self.group = bootstrap, group

    def producer(self, transactional_id: str) -> Producer:
        """A transactional producer; `begin_ownership` fences every earlier one of the same id."""
        return Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "message.max.bytes": MESSAGE_LIMIT,
                "partitioner": "murmur2_random",  # as every other producer of the system: keys are co-partitioned
                "compression.type": "lz4",
                "linger.ms": 2,
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 1_000_000,
                "delivery.report.only.error": True,  # the commit itself says whether all were delivered
                "retry.backoff.ms": 5,  # the default, 100, is the p99 of a checkpoint
                "retry.backoff.max.ms": 20,
                **COMMON,
            }
        )

    def fetcher(self, *, patient: bool = False) -> Consumer:
        """A consumer without membership, for sources: fast, and told its positions. A patient one lets the brokers
        gather records for a while, which costs them less.

        It queues little: what waits long is out of the processor's caches when its turn comes, and takes memory.
        """
        return self._consumer(
            {
                "queued.min.messages": 3_000,
                "queued.max.messages.kbytes": 65_536,
                "fetch.message.max.bytes": 300_000,
                **(PATIENT if patient else {"fetch.wait.max.ms": 250}),
            }
        )

    def restorer(self) -> Consumer:
        """Each task has its own while it restores: a larger queue is no faster, and takes its memory many times."""
        return self._consumer(
            {
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": 16_384,
                "fetch.message.max.bytes": 1_000_000,
                "fetch.wait.max.ms": 10,
            }
        )

    def follower(self) -> Consumer:
        """As `restorer`, for a copy that is up to date most of the time: it waits at the broker."""
        return self._consumer({"queued.max.messages.kbytes": 16_384, "fetch.wait.max.ms": 500})

    def offsets(self) -> Consumer:
        """Asks for stable offsets and for committed ends; it never subscribes."""
        return self._consumer({})

    @cached_property
    def ends(self) -> Consumer:
        """As `offsets`, for what tasks ask often: one for all of them, since each client has threads of its own."""
        return self.offsets()

    @cached_property
    def raw_ends(self) -> Consumer:
        """Asks for ends that count open transactions too; one for all tasks."""
        return self._consumer({"isolation.level": "read_uncommitted"})

    def close(self) -> None:
        """Lets go of the clients that all tasks share."""
        self.ends.close()
        self.raw_ends.close()

    def _consumer(self, extra: dict[str, Any]) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,  # the only word of a position past transaction markers
                "fetch.queue.backoff.ms": 20,  # the default, 1000, starves a fast consumer
                **COMMON,
                **extra,
            }
        )
