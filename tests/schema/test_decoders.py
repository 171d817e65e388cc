"""Both decoders give the same event or the same error for any bytes; which is in use is the user's choice."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import Event
from app.domain.fields import MAX_MINOR
from app.errors import PoisonError, SetupError
from app.serde import decoder as decoders
from app.serde.codec import event_codec
from app.serde.decoder import AVAILABLE, VARIABLE, Decode, DecoderName, decoder_in_use, event_decoder
from app.serde.errors import UnsafeSchemaError
from app.serde.lock import committed_registry
from app.serde.topics import EVENT_TYPES, topic_of
from tests.schema.generated import write
from tests.schema.parcels import VERSIONS, Parcel, parcels, version
from tests.schema.sample_events import ENVELOPE, SAMPLES

CODECS = {topic: [event_codec(committed_registry(), topic, name) for name in AVAILABLE] for topic in EVENT_TYPES}
VALUES = [(topic_of(type(event)), CODECS[topic_of(type(event))][0].encode(event)) for event in SAMPLES]


def outcome(decode: Decode, value: bytes) -> object:
    try:
        return decode(value)
    except PoisonError as error:
        return type(error), str(error)


def agreed(writer: Any, reader: Any, value: bytes) -> object:
    """What every decoder makes of a parcel."""

    def decode(name: DecoderName) -> object:
        try:
            return outcome(event_decoder(name, writer, reader, Parcel, 0), value)
        except UnsafeSchemaError as error:
            return str(error)

    first, *others = [decode(name) for name in AVAILABLE]
    assert all(other == first for other in others)
    return first


def mutated(chance: random.Random, value: bytes) -> bytes:
    start, end = sorted(chance.randrange(5, len(value) + 1) for _ in range(2))
    match chance.randrange(4):
        case 0:
            return value[:start] + chance.randbytes(chance.randrange(4)) + value[start + chance.randrange(4) :]
        case 1:
            return value[:start] + bytes([value[start - 1] ^ 1 << chance.randrange(8)]) + value[start + 1 :]
        case 2:
            return value[:end] + value[start:]
    return value[:start] + value[end:]


def test_five_thousand_seeded_mutations_have_one_outcome_each() -> None:
    chance, events = random.Random(11), 0
    for _ in range(5_000):
        topic, value = chance.choice(VALUES)
        changed = mutated(chance, value)
        first, *others = [outcome(codec.decode, changed) for codec in CODECS[topic]]
        assert all(other == first for other in others), changed.hex()
        events += isinstance(first, Event)
    assert events > 100  # not all of them are refused


@pytest.mark.parametrize("name", VERSIONS)
@settings(max_examples=15)
@given(st.data())
def test_readers_and_writers_of_two_versions_have_one_outcome(name: str, data: st.DataObject) -> None:
    other, own = version(name), version("the same")
    agreed(other, own, data.draw(parcels(other)))
    agreed(other, None, data.draw(parcels(other)))
    agreed(own, other, data.draw(parcels(own)))


def test_an_event_has_defaults_where_its_writer_knew_nothing() -> None:
    old = version("before there was more than the envelope")
    assert agreed(old, version("the same"), write(old, ENVELOPE)) == Parcel(**ENVELOPE)  # type: ignore[arg-type]


def test_the_worth_of_all_items_together_is_limited() -> None:
    half = {"sku": "a", "quantity": 5, "unit_price_minor": MAX_MINOR // 10}
    for count, refused in ((2, False), (3, True)):
        parcel = write(version("the same"), {**ENVELOPE, "items": [half] * count})
        got = agreed(version("the same"), None, parcel)
        assert isinstance(got, Event) is not refused


def test_no_good_value_of_the_product_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = [
        (event_codec(committed_registry(), topic, name), value)
        for topic, value in VALUES
        for name in AVAILABLE
        if name != "fastavro"
    ]
    monkeypatch.setattr(decoders, "schemaless_reader", None)
    monkeypatch.setattr(decoders, "msgspec", None)
    assert all(codec.encode(codec.decode(value)) == value for codec, value in compiled)


def test_the_fastest_decoder_is_in_use_unless_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert decoder_in_use() == AVAILABLE[0]
    monkeypatch.setenv(VARIABLE, "fastavro")
    assert decoder_in_use() == "fastavro"


def test_a_decoder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "AVAILABLE", ("fastavro",))
    for asked in ("compiled", "quick"):
        monkeypatch.setenv(VARIABLE, asked)
        with pytest.raises(SetupError, match="unset it"):
            event_codec(committed_registry(), "orders.events")
