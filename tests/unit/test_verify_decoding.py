"""The check's own reading of event bytes: it agrees with the codec, and takes nothing that is no event."""

import random
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
import pytest

from app.domain.events import Event, Item, ItemAdded, OrderCreated, PaymentRefunded
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import topic_of
from app.verify.decoding import Decoder

ID = str(uuid5(NAMESPACE_OID, "event"))
ENVELOPE: dict[str, Any] = {
    "event_id": ID,
    "order_id": ID,
    "version": 1,
    "occurred_at": 1_700_000_000_000_001,
    "correlation_id": ID,
    "causation_id": ID,
}
PEN = Item(sku="PEN", quantity=2, unit_price_minor=150)
EVENTS: list[Event] = [
    OrderCreated(
        **ENVELOPE,
        customer_id="17850",
        currency="GBP",
        reference="R1",
        items=(PEN, PEN),
        fulfilment="choreography",
        placed_at=1_317_914_400_000_000,
    ),
    ItemAdded(**ENVELOPE, customer_id="17850", currency="GBP", item=PEN, fulfilment="choreography"),
    PaymentRefunded(**ENVELOPE, order_version=1, currency="GBP", amount_minor=300),
]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder()


def encoded(event: Event) -> bytes:
    return event_codec(committed_registry(), topic_of(type(event))).encode(event)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(decoder: Decoder, event: Event) -> None:
    value = encoded(event)
    decoded = decoder.decode(topic_of(type(event)), value)
    fields = msgspec.json.decode(msgspec.json.encode(event))
    assert decoded == {**fields, "type": type(event).__name__, "raw": value}


def test_a_value_that_names_its_schema_by_guid_is_read(decoder: Decoder) -> None:
    value = encoded(EVENTS[1])
    registered = committed_registry().schema(int.from_bytes(value[1:5], "big"))
    decoded = decoder.decode("orders.events", b"\x01" + registered.guid.bytes + value[5:])
    assert decoded is not None
    assert decoded["item"]["sku"] == "PEN"


def test_an_event_of_another_topic_is_none_of_this_one(decoder: Decoder) -> None:
    assert decoder.decode("payments.events", encoded(EVENTS[0])) is None


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"\x00\x00\x00\xff\xff", b"\x07" * 40, b"\x01" + b"\x00" * 40])
def test_bytes_that_name_no_schema_are_no_event(decoder: Decoder, value: bytes | None) -> None:
    assert decoder.decode("orders.events", value) is None


def test_a_truncated_or_lengthened_event_is_no_event(decoder: Decoder) -> None:
    value = encoded(EVENTS[0])
    assert [decoder.decode("orders.events", value[:end]) for end in range(len(value))] == [None] * len(value)
    assert decoder.decode("orders.events", value + b"\x00") is None


def test_flipped_bytes_never_raise(decoder: Decoder) -> None:
    chance, value = random.Random(7), encoded(EVENTS[0])
    for _ in range(5_000):
        flipped = bytearray(value)
        for _ in range(chance.randint(1, 4)):
            flipped[chance.randrange(5, len(flipped))] = chance.randrange(256)
        decoder.decode("orders.events", bytes(flipped))
