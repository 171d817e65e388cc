"""What all topologies wire alike: sources of domain events, outputs of them, the retry policy."""

from app.config import Settings
from app.domain.events import Event
from app.serde.cloudevents import headers
from app.serde.codec import EventCodec, event_codec
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES, topic_of
from app.streaming.failures import RetryPolicy
from app.streaming.record import Output
from app.streaming.topology import Source, Topology


def retries(settings: Settings) -> RetryPolicy:
    return RetryPolicy(settings.retry_delays_ms)


def event_sources(topology: Topology, registry: SchemaRegistry, *topics: str) -> tuple[Source[Event], ...]:
    """Sources of domain events, decoded to their types."""
    return tuple(topology.source(topic, event_codec(registry, topic)) for topic in topics)


class EventOutput:
    """Makes an event the message that its topic carries."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._codecs: dict[str, EventCodec] = {topic: event_codec(registry, topic) for topic in EVENT_TYPES}

    def __call__(self, event: Event) -> Output:
        topic = topic_of(type(event))
        codec = self._codecs[topic]
        return Output(topic, codec.key(event), codec.encode(event), headers(event))
