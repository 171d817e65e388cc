"""Alerts of a process that is no topology: into the topic, from which they are delivered as all others."""

from typing import Final

from confluent_kafka import KafkaException, Producer

from app.alerts.port import Alert, AlertUndeliveredError
from app.alerts.topic import alert_output

LIMIT_S: Final = 5.0


class ProducedAlerts:
    """`send` returns when Kafka has the alert. Blocks."""

    def __init__(self, kafka: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": int(LIMIT_S * 1000),
                "log_level": 0,
            }
        )

    def send(self, alert: Alert) -> None:
        """An `AlertUndeliveredError` when Kafka did not take it; send it again."""
        failed: list[str] = []
        output = alert_output(alert)
        try:
            self._producer.produce(
                output.topic,
                output.value,
                output.key,
                headers=list(output.headers),
                on_delivery=lambda error, _: failed.append(str(error)) if error else None,
            )
            left = self._producer.flush(2 * LIMIT_S)
        except (BufferError, KafkaException) as error:
            raise AlertUndeliveredError(f"alert {alert.name} did not reach Kafka: {error}; it is sent again") from None
        if failed or left:
            raise AlertUndeliveredError(f"alert {alert.name} did not reach Kafka: {failed}; it is sent again")
