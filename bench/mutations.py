"""One process of `bench.fuzz`: decodes its share of mutated values, or dies: `python -m bench.mutations COUNT SEED`.

Each value is decoded with every decoder, and all must agree. An alarm ends the process when a hundred values take too
long: from outside a hang is seen as that signal, a crash as any other.
"""

import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import msgspec
from fastavro import parse_schema, schemaless_writer

from app.domain.events import Event
from app.errors import PoisonError
from app.serde.codec import event_codec
from app.serde.decoder import AVAILABLE, Decode
from app.serde.lock import committed_registry
from app.serde.topics import EVENT_TYPES, topic_of
from tests.schema.sample_events import SAMPLES

ALARM_S, ALARM_EVERY = 10, 100
MEMORY_BYTES = 4 << 30
NUMBERS = [
    b"\x01",
    b"\xff" * 4 + b"\x0f",
    b"\xff" * 9 + b"\x01",
    b"\xfe" + b"\xff" * 8 + b"\x01",
    b"\x80" * 12,
    b"\x00",
]

# every kind of type that Avro has, one in the other and in itself
ZOO = {"type": "record", "name": "Zoo", "fields": [
    {"name": "next", "type": ["null", "Zoo"]},
    {"name": "cages", "type": {"type": "map", "values": {"type": "array", "items": ["null", "string", "Zoo"]}}},
    {"name": "nothing", "type": {"type": "array", "items": "null"}},
    {"name": "seal", "type": {"type": "fixed", "name": "Seal", "size": 7}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["cat", "dog"]}},
    {"name": "born", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "worth", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "weights", "type": {"type": "array", "items": ["int", "float", "double", "boolean", "bytes", "Seal"]}},
]}  # fmt: skip
ANIMAL: dict[str, Any] = {
    "next": None, "cages": {"a": [None, "b"], "c": []}, "nothing": [None] * 3, "seal": b"1234567", "kind": "dog",
    "born": 1_317_914_400_123_456, "worth": b"\x01\x02", "weights": [1, 2.5, True, b"x", b"7654321"],
}  # fmt: skip


class Told(msgspec.Struct):
    """What became of the values; `decided_us` counts them by the microseconds that the decoder in use took."""

    read: int = 0
    refused: int = 0
    unequal: int = 0
    untyped: int = 0
    decided_us: dict[int, int] = msgspec.field(default_factory=dict)


class Subject(msgspec.Struct, frozen=True):
    """A good value and what decodes it; the first is the decoder in use."""

    value: bytes
    decoders: list[Callable[[bytes], Any]]


def main(count: int, seed: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    chance, told = random.Random(seed), Told()  # noqa: S311 - repeatable, not secret
    subjects = [*_events(), *_zoo()]
    for index in range(count):
        if index % ALARM_EVERY == 0:
            signal.alarm(ALARM_S)
        subject = chance.choice(subjects)
        _tell(told, subject, mutated(chance, subject.value))
    sys.stdout.buffer.write(msgspec.json.encode(told))


def mutated(chance: random.Random, value: bytes) -> bytes:
    """The value after one to four changes, of which few are large."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        start = chance.randrange(len(value) + 1)
        end = min(len(value), start + chance.choice([1, 4, 40]))
        match chance.randrange(6):
            case 0:
                part = chance.randbytes(end - start)
            case 1:
                part = bytes([value[start] ^ 1 << chance.randrange(8)]) if start < len(value) else b""
                end = start + 1
            case 2:
                part = chance.choice(NUMBERS)
            case 3:
                part = value[start:end] * chance.choice([2, 3, 2_000 if chance.randrange(500) == 0 else 4])
            case 4:
                part = value[end : end + chance.randint(0, 40)]
            case _:
                part = b""
        value = value[:start] + part + value[end:]
    return value


def _tell(told: Told, subject: Subject, value: bytes) -> None:
    began = time.perf_counter_ns()
    first = _outcome(subject.decoders[0], value)
    took_us = (time.perf_counter_ns() - began) // 1000
    told.decided_us[took_us] = told.decided_us.get(took_us, 0) + 1
    if isinstance(first, PoisonError):
        told.refused += 1
    elif isinstance(first, Exception):
        told.untyped += 1
    else:
        told.read += 1
    told.unequal += any(_shown(_outcome(other, value)) != _shown(first) for other in subject.decoders[1:])


def _outcome(decode: Callable[[bytes], Any], value: bytes) -> Any:
    try:
        return decode(value)
    except Exception as error:  # noqa: BLE001 - whatever is raised is what is counted
        return error


def _shown(outcome: Any) -> object:
    return (type(outcome), str(outcome)) if isinstance(outcome, Exception) else outcome


def _events() -> list[Subject]:
    registry = committed_registry()
    decoders: dict[str, list[Decode]] = {
        topic: [event_codec(registry, topic, name).decode for name in AVAILABLE] for topic in EVENT_TYPES
    }
    samples: list[tuple[str, Event]] = [(topic_of(type(event)), event) for event in SAMPLES]
    return [Subject(event_codec(registry, topic).encode(event), decoders[topic]) for topic, event in samples]


def _zoo() -> list[Subject]:
    """Values of every kind, for the compiled decoder alone: fastavro does as many steps as a value asks for."""
    if "compiled" not in AVAILABLE:
        return []
    from app.serde.compiled.resolution import decoder

    body, written = BytesIO(), parse_schema(ZOO)
    keeper = {**ANIMAL, "next": {**ANIMAL, "next": ANIMAL}, "cages": {"a": [ANIMAL, None, "b"], "c": []}}
    schemaless_writer(body, parse_schema(_plain(ZOO)), keeper)
    return [Subject(body.getvalue(), [decoder(written).decode])] * 3


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _plain(part) for key, part in schema.items() if key != "logicalType"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
