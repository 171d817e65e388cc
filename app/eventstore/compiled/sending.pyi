from collections.abc import Sequence

from confluent_kafka import KafkaError, Producer

from app.eventstore.outbox import OutboxRow

def send_rows(producer: Producer, rows: Sequence[OutboxRow]) -> tuple[int, KafkaError | None]: ...
