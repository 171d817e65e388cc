"""Sends what an operator asks to the topic that its topology reads."""

import asyncio
from typing import Any

from confluent_kafka import KafkaException, Producer

from app.domain.events import Event
from app.errors import TransientError
from app.serde.cloudevents import headers
from app.serde.codec import event_codec
from app.serde.registry import SchemaRegistry
from app.serde.topics import topic_of

LIMIT_S = 10.0


class NotSentError(TransientError):
    """Kafka has not confirmed the command; the same one may be sent again, and has effect once."""


class Sender:
    """One producer, made when it is first used; a command counts as sent when all replicas have it."""

    def __init__(self, bootstrap: str, registry: SchemaRegistry) -> None:
        self._bootstrap, self._registry = bootstrap, registry
        self._producer: Producer | None = None

    async def send(self, command: Event) -> None:
        await asyncio.to_thread(self._send, command)

    def _send(self, command: Event) -> None:
        topic = topic_of(type(command))
        codec = event_codec(self._registry, topic)
        failures: list[Any] = [NotSentError(f"Kafka did not answer within {LIMIT_S:g} s; send the command again")]

        def told(error: Any, _: Any) -> None:
            failures[:] = [error] if error is not None else []

        producer = self._producer = self._producer or self._made()
        try:
            producer.produce(
                topic, codec.encode(command), codec.key(command), headers=headers(command), on_delivery=told
            )
            producer.flush(LIMIT_S)
        except (KafkaException, BufferError) as error:
            raise NotSentError(f"{topic} did not take the command: {error}; send it again") from error
        if failures:
            raise NotSentError(f"{topic} did not take the command: {failures[0]}; send it again")

    def _made(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # as every other producer of the system: keys are co-partitioned
                "delivery.timeout.ms": int(LIMIT_S * 1000),
                "log_level": 2,  # what fails is raised where it was asked for
            }
        )
