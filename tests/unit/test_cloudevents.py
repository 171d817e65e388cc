"""The headers of an event are a function of it."""

from app.domain.events import DeliveryCancelled
from app.serde.cloudevents import headers

EVENT = DeliveryCancelled(
    event_id="0f0e0d0c-0b0a-5908-8706-050403020100",
    order_id="11111111-2222-5333-8444-555555555555",
    version=2,
    occurred_at=1_317_914_400_000_001,
    correlation_id="00112233-4455-5677-8899-aabbccddeeff",
    causation_id="99999999-2222-5333-8444-555555555555",
    order_version=1,
    delivery_id="D-17",
)


def test_an_event_goes_with_cloudevents_headers_and_its_trace() -> None:
    assert headers(EVENT) == [
        ("ce_source", b"/orderflow/shipping"),
        ("content-type", b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0f0e0d0c-0b0a-5908-8706-050403020100"),
        ("ce_type", b"orderflow.shipping.DeliveryCancelled"),
        ("ce_time", b"2011-10-06T15:20:00.000001Z"),
        ("ce_subject", b"11111111-2222-5333-8444-555555555555"),
        ("traceparent", b"00-00112233445556778899aabbccddeeff-8706050403020100-01"),
    ]
