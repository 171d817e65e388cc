"""Typed events to bytes and back; what is no event of the topic is refused with its reason."""

from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import Event, Item, OrderCreated
from app.domain.fields import MAX_MINOR
from app.serde.codec import MAX_VALUE_BYTES, event_codec
from app.serde.decoder import AVAILABLE, DecoderName
from app.serde.errors import (
    InvalidEventError,
    MalformedValueError,
    UnknownSchemaError,
    UnsafeSchemaError,
    WrongTopicError,
)
from app.serde.lock import CommittedRegistry, committed_registry
from app.serde.registry import RegisteredSchema
from app.serde.topics import ORDERS_EVENTS, SHIPPING_EVENTS, subject_of, topic_of
from tests.schema.sample_events import DELIVERY_SCHEDULED, ITEMS, ORDER_CREATED, SAMPLES, identity

CODECS = {name: event_codec(committed_registry(), ORDERS_EVENTS, name) for name in AVAILABLE}
CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
VALUE = CODEC.encode(ORDER_CREATED)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=256)
ITEMS_OF_AN_ORDER = st.lists(
    st.builds(Item, sku=TEXTS, quantity=st.integers(1, 1_000_000), unit_price_minor=st.integers(0, 100_000)),
    min_size=1,
    max_size=50,
).map(tuple)
IDS = st.uuids().map(str)
SEALED = st.just("") | st.binary(min_size=45, max_size=1_000).map(lambda content: urlsafe_b64encode(content).decode())
TIMES = st.integers(0, 253_402_300_799_999_999)
ORDERS = st.builds(
    OrderCreated,
    event_id=IDS,
    order_id=IDS,
    version=st.integers(1, 2**31 - 1),
    occurred_at=TIMES,
    correlation_id=IDS,
    causation_id=IDS,
    customer_id=TEXTS,
    currency=st.sampled_from(["GBP", "EUR"]),
    reference=st.just("") | TEXTS,
    items=ITEMS_OF_AN_ORDER,
    fulfilment=st.sampled_from(["choreography", "orchestration"]),
    placed_at=TIMES,
    customer_name=SEALED,
    delivery_address=SEALED,
)


def with_fields(event: Event, **fields: Any) -> Event:
    return msgspec.structs.replace(event, **fields)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_way_to_bytes_and_back(event: Event, decoder: DecoderName) -> None:
    codec = event_codec(committed_registry(), topic_of(type(event)), decoder)
    assert codec.decode(codec.encode(event)) == event


@given(ORDERS)
def test_every_order_within_the_limits_survives_the_way(decoder: DecoderName, event: OrderCreated) -> None:
    assert CODECS[decoder].decode(CODEC.encode(event)) == event


def test_a_value_begins_with_zero_and_the_schema_id() -> None:
    number = committed_registry().id_of(subject_of(OrderCreated))
    assert VALUE[:5] == b"\x00" + number.to_bytes(4, "big")


def test_a_header_with_the_guid_of_the_schema_is_read(decoder: DecoderName) -> None:
    guid = committed_registry().newest(subject_of(OrderCreated)).guid
    assert CODECS[decoder].decode(b"\x01" + guid.bytes + VALUE[5:]) == ORDER_CREATED


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x00",
        VALUE[:4],
        VALUE[:5],
        VALUE[:-1],
        VALUE + b"\x00",
        b"\x02" + VALUE[1:],
        b"{}",
        b"\x01" + bytes(10),
        VALUE[:5] + bytes(MAX_VALUE_BYTES),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_value_is_malformed(value: bytes | None, decoder: DecoderName) -> None:
    with pytest.raises(MalformedValueError):
        CODECS[decoder].decode(value)


@pytest.mark.parametrize("header", [b"\x00\x00\x00\x27\x0f", b"\x00\xff\xff\xff\xff", b"\x01" + bytes(16)])
def test_an_id_that_the_registry_lacks_is_an_unknown_schema(header: bytes) -> None:
    with pytest.raises(UnknownSchemaError) as refused:
        CODEC.decode(header + VALUE[5:])
    assert refused.value.reason == "unknown-schema"


def test_an_event_of_another_topic_is_refused() -> None:
    value = event_codec(committed_registry(), SHIPPING_EVENTS).encode(DELIVERY_SCHEDULED)
    with pytest.raises(WrongTopicError, match=r"does not belong to orders\.events"):
        CODEC.decode(value)
    with pytest.raises(WrongTopicError):
        CODEC.encode(DELIVERY_SCHEDULED)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 0},
        {"version": 2**31},
        {"event_id": "17"},
        {"order_id": identity("order").upper()},
        {"order_id": identity("order").replace("-", "0")},
        {"correlation_id": "é" * 36},
        {"causation_id": ""},
        {"occurred_at": -1},
        {"placed_at": 253_402_300_800_000_000},
        {"customer_id": ""},
        {"customer_id": "x" * 257},
        {"customer_id": "a\x7fb"},
        {"reference": "a\x00b"},
        {"reference": "a\x9fb"},
        {"reference": "a\ud800b"},
        {"currency": "gbp"},
        {"currency": "GBP\n"},
        {"items": ()},
        {"items": (Item(sku="", quantity=1, unit_price_minor=1),)},
        {"items": (Item(sku="a\nb", quantity=1, unit_price_minor=1),)},
        {"items": (Item(sku="a", quantity=0, unit_price_minor=1),)},
        {"items": (Item(sku="a", quantity=1_000_001, unit_price_minor=1),)},
        {"items": (Item(sku="a", quantity=1, unit_price_minor=-1),)},
        {"items": (Item(sku="a", quantity=2, unit_price_minor=MAX_MINOR),)},
        {"items": ITEMS * 5_001},
        {"fulfilment": "magic"},
    ],
    ids=lambda fields: repr(fields)[:40],
)
def test_an_event_outside_the_limits_is_neither_written_nor_read(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError):
        CODEC.encode(with_fields(ORDER_CREATED, **fields))


@pytest.mark.parametrize("text", ["Anna", "Anna Lark, 1 Main Street" * 9, "7 Larkspur Mews", "Anna" * 20 + "!"])
def test_what_is_personal_is_not_written_in_plain_and_not_repeated(text: str) -> None:
    for name in ("customer_name", "delivery_address"):
        with pytest.raises(InvalidEventError, match="not sealed") as refused:
            CODEC.encode(with_fields(ORDER_CREATED, **{name: text}))
        assert text[:4] not in str(refused.value)


def test_the_limits_hold_for_bytes_that_another_producer_wrote(decoder: DecoderName) -> None:
    at = VALUE.index(b"569901")
    with pytest.raises(InvalidEventError, match="holds"):
        CODECS[decoder].decode(VALUE[:at] + b"5699\x07\x07" + VALUE[at + 6 :])


class Foreign(CommittedRegistry):
    """Knows a schema that somebody else has registered, under a subject of his own."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(committed_registry().schemas())
        self.foreign = RegisteredSchema(id=4711, guid=uuid4(), subject="orders.events-value", version=1, schema=schema)

    def schema(self, schema_id: int | UUID) -> RegisteredSchema:
        return self.foreign if schema_id == self.foreign.id else super().schema(schema_id)


def test_an_event_whose_writer_has_registered_its_schema_under_another_subject_is_read() -> None:
    own = committed_registry().newest(subject_of(OrderCreated))
    value = b"\0" + Foreign(own.schema).foreign.id.to_bytes(4, "big") + VALUE[5:]
    assert event_codec(Foreign(own.schema), ORDERS_EVENTS).decode(value) == ORDER_CREATED


def test_a_schema_that_names_one_that_is_not_in_it_is_unsafe() -> None:
    """As those with references do in a registry: the others are registered apart."""
    own = committed_registry().newest(subject_of(OrderCreated)).schema
    lacking = own | {"fields": [{"name": "items", "type": "orderflow.orders.Elsewhere"}]}
    codec = event_codec(Foreign(lacking), ORDERS_EVENTS)
    with pytest.raises(UnsafeSchemaError):
        codec.decode(b"\0" + (4711).to_bytes(4, "big") + VALUE[5:])
