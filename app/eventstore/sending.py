"""Gives a producer the rows of the outbox: by the compiled part where it was built.

confluent-kafka makes an object of each header and asks Python for each row, half of what the relay does for it.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException, Producer

from app.eventstore.outbox import OutboxRow
from app.librdkafka import VARIABLE, ClientName
from app.optional import form_in_use

try:
    from app.eventstore.compiled.sending import send_rows as send_rows_compiled
except ImportError:  # no C compiler was at hand when the product was installed, or the client is of another version
    AVAILABLE: tuple[ClientName, ...] = ("plain",)
else:
    AVAILABLE = ("compiled", "plain")

# How many of the rows, from the first on, the producer has taken, and why not the next one.
SendRows: TypeAlias = Callable[[Producer, Sequence[OutboxRow]], tuple[int, KafkaError | None]]


def rows_sender() -> SendRows:
    """What sends rows in the open transaction of a producer."""
    return send_rows_compiled if form_in_use(VARIABLE, AVAILABLE) == "compiled" else send_rows


def send_rows(producer: Producer, rows: Sequence[OutboxRow]) -> tuple[int, KafkaError | None]:
    """By confluent-kafka's client."""
    for index, row in enumerate(rows):
        try:
            # by place: their names would cost a tenth of all that is done for a row
            producer.produce(row.topic, row.payload, row.aggregateid, -1, None, None, 0, row.headers())
        except BufferError:
            return index, KafkaError(KafkaError._QUEUE_FULL)
        except KafkaException as error:
            return index, error.args[0]
    return len(rows), None
