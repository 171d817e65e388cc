"""No bytes end in anything but an event or a poison error, and none take long."""

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import PoisonError
from app.serde.codec import MAX_VALUE_BYTES, event_codec
from app.serde.decoder import AVAILABLE, DecoderName
from app.serde.errors import InvalidEventError, MalformedValueError
from app.serde.lock import committed_registry
from app.serde.topics import EVENT_TYPES, ORDERS_EVENTS, topic_of
from tests.schema.sample_events import ORDER_CREATED, SAMPLES

CODECS = {name: {topic: event_codec(committed_registry(), topic, name) for topic in EVENT_TYPES} for name in AVAILABLE}
VALUES = [
    (topic, event_codec(committed_registry(), topic).encode(event))
    for topic, event in [(topic_of(type(event)), event) for event in SAMPLES]
]
VALUE = VALUES[SAMPLES.index(ORDER_CREATED)][1]
ITEMS_AT = VALUE.index(b"569901") + len(b"569901")
ITEM = b"\x02a\x02\x02"
AFTER = b"\x00" + b"\x02" + b"\x00" * 2  # fulfilment, placed_at, and nothing of a person
NUMBERS = [b"\x01", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\xfe" + b"\xff" * 8 + b"\x01", b"\x80" * 30]


def number(value: int) -> bytes:
    """Avro's zigzag varint."""
    zigzag, written = (value << 1) ^ (value >> 63), b""
    while zigzag > 0x7F:
        written, zigzag = written + bytes([zigzag & 0x7F | 0x80]), zigzag >> 7
    return written + bytes([zigzag])


@given(st.sampled_from(sorted(EVENT_TYPES)), st.binary(max_size=2_000))
def test_random_bytes_are_poison(decoder: DecoderName, topic: str, value: bytes) -> None:
    with pytest.raises(PoisonError):
        CODECS[decoder][topic].decode(value)


@settings(max_examples=300)
@given(st.sampled_from(VALUES), st.data())
def test_a_value_with_any_byte_changed_is_read_or_poison(
    decoder: DecoderName, written: tuple[str, bytes], data: st.DataObject
) -> None:
    value = bytearray(written[1])
    value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    for codec in CODECS[decoder].values():
        with suppress(PoisonError):
            codec.decode(bytes(value))


@given(st.sampled_from(VALUES), st.data())
def test_no_value_is_read_from_a_part_of_it(
    decoder: DecoderName, written: tuple[str, bytes], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(written[1]) - 1))
    for codec in CODECS[decoder].values():
        with pytest.raises(PoisonError):
            codec.decode(written[1][:cut])


def test_ten_thousand_seeded_mutations_are_read_or_poison(decoder: DecoderName) -> None:
    chance = random.Random(7)
    for _ in range(10_000):
        topic, written = chance.choice(VALUES)
        codec = CODECS[decoder][topic]
        start, end = sorted(chance.randrange(len(written)) for _ in range(2))
        put = chance.choice(
            [b"", chance.randbytes(9), chance.choice(NUMBERS), written[start:end] * chance.randint(1, 99)]
        )
        with suppress(PoisonError):
            event = codec.decode(written[:start] + put + written[end:])
            assert codec.decode(codec.encode(event)) == event


@pytest.mark.parametrize(
    "items",
    [
        number(2**62),
        number(-(2**63)) + number(3),
        number(400_000) + ITEM,
        number(200_000) + ITEM * 200_000,
        (number(1) + ITEM) * 200_000,
        (number(-1) + number(4) + ITEM) * 170_000,
        number(3_000) + (number(2**40) + b"a") * 3_000,
        (number(-(2**63)) + number(0)) * 40_000,
        b"\xff" * 900_000,
    ],
    ids=[
        "more items than bytes",
        "the least block count",
        "announced, not there",
        "all there, too many",
        "too many blocks",
        "too many sized blocks",
        "texts longer than the value",
        "blocks of nothing",
        "an endless number",
    ],
)
def test_announced_items_are_refused_before_they_are_built(items: bytes, decoder: DecoderName) -> None:
    value = VALUE[:ITEMS_AT] + items
    assert len(value) <= MAX_VALUE_BYTES
    with pytest.raises(MalformedValueError):
        CODECS[decoder][ORDERS_EVENTS].decode(value)


def test_items_in_several_blocks_are_read(decoder: DecoderName) -> None:
    blocks = number(2) + ITEM * 2 + number(-1) + number(len(ITEM)) + ITEM + b"\x00"
    event = CODECS[decoder][ORDERS_EVENTS].decode(VALUE[:ITEMS_AT] + blocks + AFTER)
    assert len(event.items) == 3  # type: ignore[attr-defined]


def test_as_many_items_as_an_order_may_have_are_read(decoder: DecoderName) -> None:
    codec = CODECS[decoder][ORDERS_EVENTS]
    most = number(10_000) + ITEM * 10_000 + b"\x00"
    event = codec.decode(VALUE[:ITEMS_AT] + most + AFTER)
    assert codec.decode(codec.encode(event)) == event


def test_the_message_of_an_error_is_short_whatever_the_value(decoder: DecoderName) -> None:
    for hostile in (VALUE[:5] + number(900_000) + b"\xff" * 900_000, VALUE[:-20] + b"\x00" * 20):
        with pytest.raises((MalformedValueError, InvalidEventError)) as refused:
            CODECS[decoder][ORDERS_EVENTS].decode(hostile)
        assert len(str(refused.value)) < 1_000
