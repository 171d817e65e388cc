"""Makes hostile records: what a broken or malicious producer could put on a topic. Seeded, each under its own key.

None of them is an event of the topic: a changed event that would still be read is made anew, and whole events come
without a key or under a key that is not their order.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from uuid import UUID

import msgspec

from app.domain.events import Event, Item
from app.errors import PoisonError
from app.serde.codec import EventCodec, event_codec
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES

# the broker's own limit on a batch (1 MiB and 12 bytes) less what headers, key and framing take
LARGEST_VALUE_BYTES = 1024 * 1024 - 1024
LARGEST_EVERY = 500  # such a record is one in so many: they are 5,000 times as large as an event

UNKNOWN_SCHEMAS = (0, 9_999, 2**31 - 1, -1)

_MOMENT = 1_767_225_600_000_000
# whole events, which are poison by their key only
_READABLE = {"no-key", "another-key"}


class HostileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record to produce as it is."""

    kind: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def poison(registry: SchemaRegistry, topic: str, seed: int, count: int) -> Iterator[HostileRecord]:
    """`count` records for this topic, of every kind but unknown schemas."""
    chance, codec = Random(f"poison:{topic}:{seed}"), event_codec(registry, topic)  # noqa: S311 - repeatable, not secret
    for index in range(count):
        kind = "largest" if index % LARGEST_EVERY == LARGEST_EVERY // 2 else list(_KINDS)[index % len(_KINDS)]
        make = _largest if kind == "largest" else _KINDS[kind]
        value = make(chance, codec.encode(_event(chance, topic)))
        while kind not in _READABLE and _is_read(codec, value):
            value = make(chance, codec.encode(_event(chance, topic)))
        yield _record(chance, kind, value)


def unknown_schemas(registry: SchemaRegistry, topic: str, seed: int, count: int) -> Iterator[HostileRecord]:
    """`count` well-formed events of this topic under ids that no registry gave."""
    chance, codec = Random(f"unknown:{topic}:{seed}"), event_codec(registry, topic)  # noqa: S311 - repeatable, not secret
    for index in range(count):
        header = b"\x00" + UNKNOWN_SCHEMAS[index % len(UNKNOWN_SCHEMAS)].to_bytes(4, "big", signed=True)
        yield _record(chance, "unknown-schema", header + codec.encode(_event(chance, topic))[5:])


def _event(chance: Random, topic: str) -> Event:
    """An event of one of the topic's types, about an order that does not exist."""
    event_type = chance.choice(EVENT_TYPES[topic])
    item = Item(sku="sku-hostile", quantity=chance.randint(1, 9), unit_price_minor=100)
    fields = {name: _field(chance, name, item) for name in event_type.__struct_fields__}
    return msgspec.convert(fields, event_type, from_attributes=True)


def _field(chance: Random, name: str, item: Item) -> object:
    if name in {"event_id", "order_id", "correlation_id", "causation_id"}:
        return _identity(chance)
    named = {
        "currency": "GBP",
        "fulfilment": "choreography",
        "code": "declined",
        "status": "pending",
        "action": "retry",
        "items": (item,),
        "item": item,
        "occurred_at": _MOMENT,
        # nobody's: what is personal would have to be sealed
        "customer_name": "",
        "delivery_address": "",
    }
    return named.get(name, 1 if name.endswith(("version", "_minor", "_at")) else "hostile")


def _identity(chance: Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def _record(chance: Random, kind: str, value: bytes | None) -> HostileRecord:
    key = None if kind == "no-key" else _identity(chance).encode()
    return HostileRecord(
        kind=kind, key=key, value=value, headers=(("fault", kind.encode()), ("bytes", chance.randbytes(8)))
    )


def _is_read(codec: EventCodec, value: bytes | None) -> bool:
    with suppress(PoisonError):
        codec.decode(value)
        return True
    return False


def _random(chance: Random, _: bytes) -> bytes:
    return chance.randbytes(chance.randint(1, 300))


def _truncated(chance: Random, value: bytes) -> bytes:
    return value[: chance.randrange(1, len(value))]


def _flipped(chance: Random, value: bytes) -> bytes:
    changed = bytearray(value)
    for at in chance.sample(range(5, len(value)), 4):
        changed[at] ^= chance.randint(1, 255)
    return bytes(changed)


def _wrong_magic(chance: Random, value: bytes) -> bytes:
    return bytes([chance.randint(2, 255)]) + value[1:]


def _no_value(_: Random, __: bytes) -> None:
    return None


def _empty(_: Random, __: bytes) -> bytes:
    return b""


def _intact(_: Random, value: bytes) -> bytes:
    return value


def _trailing(chance: Random, value: bytes) -> bytes:
    return value + chance.randbytes(chance.randint(1, 20))


def _deep(chance: Random, value: bytes) -> bytes:
    """A body that a recursive schema would follow down 10,000 levels, or JSON that nests as deep."""
    return value[:5] + b"\x02" * 10_000 if chance.random() < 0.5 else b"[" * 10_000


def _endless(chance: Random, value: bytes) -> bytes:
    """Announces more items or longer texts than any value holds."""
    at = chance.randrange(5, len(value))
    return value[:at] + b"\xfe" + b"\xff" * 8 + b"\x01" + value[at:]


def _largest(chance: Random, value: bytes) -> bytes:
    return value[:5] + chance.randbytes(1) * (LARGEST_VALUE_BYTES - 5)


_KINDS: dict[str, Callable[[Random, bytes], bytes | None]] = {
    "random": _random,
    "truncated": _truncated,
    "flipped": _flipped,
    "wrong-magic": _wrong_magic,
    "null": _no_value,
    "empty": _empty,
    "no-key": _intact,
    "another-key": _intact,
    "trailing": _trailing,
    "deep": _deep,
    "endless": _endless,
}
