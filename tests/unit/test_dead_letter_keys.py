"""How keys and schemas of dead letters are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadletters import keys
from app.deadletters.schema import schema_of
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from tests.schema.sample_events import SAMPLES

REGISTRY = committed_registry()


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode) | st.just(b"hex:00"))
def test_what_is_shown_of_a_key_names_it(key: bytes) -> None:
    shown = keys.shown(key)
    assert shown is not None
    assert keys.read(shown) == key


def test_no_key_is_shown_as_none() -> None:
    assert keys.shown(None) is None


def test_a_schema_is_named_by_its_id_or_its_guid() -> None:
    event = next(event for event in SAMPLES if type(event).__name__ == "OrderCreated")
    value = event_codec(REGISTRY, ORDERS_EVENTS).encode(event)
    number = int.from_bytes(value[1:5], "big")
    by_guid = b"\x01" + REGISTRY.schema(number).guid.bytes + value[5:]
    assert [schema_of(REGISTRY, ORDERS_EVENTS, one) for one in (value, by_guid)] == [
        "orderflow.orders.OrderCreated"
    ] * 2


@pytest.mark.parametrize(
    ("topic", "value", "named"),
    [
        (ORDERS_EVENTS, b"\x00\x00\x00\x27\x0f", "schema 9999"),
        (ORDERS_EVENTS, b"\x00\x00\x00\x27", ""),
        (ORDERS_EVENTS, b"\x07", ""),
        (ORDERS_EVENTS, None, ""),
        ("orderflow-order-views-sales-repartition", b"\x00\x00\x00\x00\x01", ""),
    ],
)
def test_what_names_no_known_schema_is_told(topic: str, value: bytes | None, named: str) -> None:
    assert schema_of(REGISTRY, topic, value) == named
