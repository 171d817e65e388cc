"""Alerts as messages of a topic."""

import msgspec

from app.alerts.port import Alert, body
from app.errors import PoisonError
from app.streaming.record import Output

ALERTS = "alerts"


class MalformedAlertError(PoisonError):
    """The bytes are no alert."""


class AlertCodec:
    """Reads the messages of the topic."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Alert).decode

    def decode(self, value: bytes | None) -> Alert:
        try:
            return self._decode(value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedAlertError(f"no alert: {error}; produce alerts as `app.alerts.topic` does") from error

    def prepare(self, value: bytes | None) -> None:
        """It knows all that it reads."""

    def key(self, alert: Alert) -> bytes:
        return alert.id.encode()


def alert_output(alert: Alert) -> Output:
    """The message of an alert. Its key is the alert's id: a reader takes a repeated one for what it is."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", alert.id.encode()),
        ("ce_type", f"orderflow.alerts.{alert.name}".encode()),
        ("content-type", b"application/json"),
    ]
    return Output(ALERTS, alert.id.encode(), body(alert), headers)
