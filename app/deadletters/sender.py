"""Sends letters to the redrive topic of one consumer group, each lot in one transaction."""

import time
from collections.abc import Sequence

from confluent_kafka import KafkaException, Producer

from app.deadletters.errors import CampaignRunningError
from app.errors import TransientError
from app.librdkafka.owning import begin_ownership
from app.streaming.kafka.clients import Clients
from app.streaming.names import redrive_topic
from app.streaming.record import Output

REQUEST_S = 15.0
UNKNOWN_S = 60.0
FENCED = {"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED", "_FATAL"}


class SendingError(TransientError):
    """Kafka did not take a lot of letters. Whether any was sent is read back from the topic by the next attempt."""


class Sender:
    """The one sender to a group. Making it fences the earlier ones, and ends what they left open."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._group = group
        self._producer: Producer = Clients(bootstrap, group).producer(f"{group}-redriver")
        try:
            begin_ownership(self._producer, redrive_topic(group), REQUEST_S)
        except KafkaException as error:
            raise SendingError(f"no transaction for {group}: {error}; resume when Kafka answers") from error

    def send(self, outputs: Sequence[Output]) -> None:
        """All or none. After any error the sender is of no more use."""
        try:
            self._producer.begin_transaction()
            for output in outputs:
                self._produce(output)
            self._commit()
        except KafkaException as error:
            raise self._told(error) from error

    def close(self) -> None:
        self._producer.purge()

    def _produce(self, output: Output) -> None:
        headers = list(output.headers)
        while True:
            try:
                self._producer.produce(output.topic, output.value, output.key, output.partition, headers=headers)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _commit(self) -> None:
        until = time.monotonic() + UNKNOWN_S
        while True:
            try:
                self._producer.commit_transaction(REQUEST_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise
            else:
                return

    def _told(self, error: KafkaException) -> Exception:
        if error.args[0].name() in FENCED:
            return CampaignRunningError(f"another campaign took over {self._group}; wait for it, then resume this one")
        return SendingError(f"letters to {self._group} were not taken: {error.args[0].str()}; resume the campaign")
