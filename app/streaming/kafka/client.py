"""What a worker asks of its Kafka clients for every record: by the compiled part where it was built.

confluent-kafka makes an object of each message and of each of its headers, a seventh of what an event costs, while few
records are ever looked at but for their key and value; and it has each row that was sent taken note of by Python. The
compiled part does without.
"""

from confluent_kafka import Consumer

from app.librdkafka import VARIABLE, ClientName
from app.optional import form_in_use
from app.streaming.kafka.messages import Intake, MessageIntake, SendRows, send_rows

try:
    from app.streaming.kafka.compiled.columns import ColumnIntake
    from app.streaming.kafka.compiled.rows import send_rows as send_rows_compiled
except ImportError:  # no C compiler was at hand when the product was installed, or the client is of another version
    AVAILABLE: tuple[ClientName, ...] = ("plain",)
else:
    AVAILABLE = ("compiled", "plain")


def client_in_use() -> ClientName:
    """The faster one that is there, or the one that `ORDERFLOW_CLIENT` asks for; a `SetupError` when it is not."""
    return form_in_use(VARIABLE, AVAILABLE)


def intake_of(consumer: Consumer) -> Intake:
    """What takes from this consumer."""
    return ColumnIntake(consumer) if client_in_use() == "compiled" else MessageIntake(consumer)


def rows_sender() -> SendRows:
    """What sends the rows of a changelog."""
    return send_rows_compiled if client_in_use() == "compiled" else send_rows
