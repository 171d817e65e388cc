"""The Kafka headers of an event: CloudEvents in binary mode and W3C trace context.

They are a function of the event, so whoever publishes it (relay, change data capture, reaction) sends the same ones.
"""

from datetime import UTC, datetime, timedelta

from app.domain.events import Event
from app.serde.topics import full_name, source_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def headers(event: Event) -> list[tuple[str, bytes]]:
    """`ce_*`, `content-type` and `traceparent`, in this order: first those that all events of a source have alike.

    The trace is the correlation id, the span the last half of the event id.
    """
    name = full_name(type(event))
    occurred_at = _EPOCH + timedelta(microseconds=event.occurred_at)
    trace, span = event.correlation_id.replace("-", ""), event.event_id.replace("-", "")[16:]
    return [
        ("ce_source", f"/orderflow/{source_of(type(event))}".encode()),
        ("content-type", b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_type", name.encode()),
        ("ce_time", occurred_at.isoformat(timespec="microseconds").replace("+00:00", "Z").encode()),
        ("ce_subject", event.order_id.encode()),
        ("traceparent", f"00-{trace}-{span}-01".encode()),
    ]
