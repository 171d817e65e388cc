"""Alerts as messages of a topic."""

from app.alerts.port import Alert, body
from app.streaming.record import Output

ALERTS = "alerts"


def alert_output(alert: Alert) -> Output:
    """The message of an alert. Its key is the alert's id: a reader takes a repeated one for what it is."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", alert.id.encode()),
        ("ce_type", f"orderflow.alerts.{alert.name}".encode()),
        ("content-type", b"application/json"),
    ]
    return Output(ALERTS, alert.id.encode(), body(alert), headers)
