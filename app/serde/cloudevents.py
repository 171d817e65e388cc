"""The Kafka headers of an event: CloudEvents in binary mode and W3C trace context.

They are a function of the event, so whoever publishes it (relay, change data capture, reaction) sends the same ones.
"""

from datetime import datetime, timedelta
from functools import cache

from app.domain.events import Event
from app.serde.topics import full_name, source_of

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, whose text is to end in Z


def headers(event: Event) -> list[tuple[str, bytes]]:
    """`ce_*`, `content-type` and `traceparent`, in this order: first those that all events of a source have alike."""
    source, name = _of_type(type(event))
    return [
        ("ce_source", source),
        ("content-type", b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_type", name),
        ("ce_time", ce_time(event)),
        ("ce_subject", event.order_id.encode()),
        ("traceparent", traceparent(event)),
    ]


def ce_type(event: Event) -> bytes:
    return _of_type(type(event))[1]


def ce_time(event: Event) -> bytes:
    """In UTC, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=event.occurred_at)).isoformat(timespec="microseconds").encode() + b"Z"


def traceparent(event: Event) -> bytes:
    """The trace is the correlation id, the span the last half of the event id."""
    trace, span = event.correlation_id.replace("-", ""), event.event_id.replace("-", "")[16:]
    return f"00-{trace}-{span}-01".encode()


@cache
def _of_type(event_type: type[Event]) -> tuple[bytes, bytes]:
    """`ce_source` and `ce_type`."""
    return f"/orderflow/{source_of(event_type)}".encode(), full_name(event_type).encode()
