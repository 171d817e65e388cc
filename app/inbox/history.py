"""Reads all that the topics tell of one order: its events, and the commands about it. Blocks: call it from a thread."""

import contextlib
from collections.abc import Iterator
from time import monotonic

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from app.domain.events import Event, Micros
from app.errors import PoisonError, TransientError
from app.serde.codec import EventCodec, event_codec
from app.serde.errors import RegistryUnavailableError
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES, topic_of
from app.streaming.kafka.clients import Clients, unreachable

READER = "orderflow-inbox"  # never joins and commits nothing
REQUEST_S = 10.0
LIMIT_S = 20.0
BATCH = 1_000
SKEW_US = 60_000_000  # by which the clocks of two machines may differ


class HistoryTooLongError(TransientError):
    """The topics could not be read to their ends in time; ask again, or look at the brokers."""


class History:
    """The topics of one cluster. Nothing is kept: an order's part of them is read when it is asked for."""

    def __init__(self, bootstrap: str, registry: SchemaRegistry) -> None:
        self._bootstrap = bootstrap
        self._codecs: dict[str, EventCodec] = {topic: event_codec(registry, topic) for topic in EVENT_TYPES}

    def of(self, order_id: str, partition: int, since: Micros, limit_s: float = LIMIT_S) -> list[Event]:
        """What was told of the order from then on, by time; what cannot be read is left out. `partition` is its own.

        `HistoryTooLongError` when that takes longer than the limit.
        """
        if limit_s <= 0:
            raise HistoryTooLongError(f"no time was left for the history of order {order_id}; ask for it alone")
        consumer = Clients(self._bootstrap, READER).restorer()
        try:
            found = list(self._events(consumer, order_id.encode(), partition, (since - SKEW_US) // 1000, limit_s))
        except KafkaException as error:
            raise unreachable(self._bootstrap, error) from error
        finally:
            consumer.close()
        topics = list(EVENT_TYPES)
        return sorted(found, key=lambda event: (event.occurred_at, topics.index(topic_of(type(event))), event.version))

    def _events(self, consumer: Consumer, key: bytes, partition: int, since_ms: int, limit_s: float) -> Iterator[Event]:
        until = monotonic() + limit_s
        asked = [TopicPartition(topic, partition, since_ms) for topic in EVENT_TYPES]
        found = consumer.offsets_for_times(asked, min(REQUEST_S, limit_s))
        starts = [place for place in found if place.offset != OFFSET_END]
        consumer.assign(starts)
        unread = {place.topic for place in starts}
        while unread:
            if monotonic() > until:
                raise HistoryTooLongError(
                    f"{', '.join(sorted(unread))} could not be read within {limit_s:.0f} s; ask again"
                )
            for message in consumer.consume(BATCH, 0.1):
                if message.error() is None:
                    if message.key() == key:
                        with contextlib.suppress(PoisonError, RegistryUnavailableError):
                            yield self._codecs[message.topic()].decode(message.value())
                elif message.error().name() == "_PARTITION_EOF":
                    unread.discard(message.topic())
                elif not message.error().retriable():
                    raise KafkaException(message.error())
