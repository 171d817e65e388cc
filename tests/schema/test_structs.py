"""The typed events and their newest schemas say the same, field by field."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from app.domain.events import Event
from app.serde.lock import DIRECTORY, committed_registry, read_lock
from app.serde.topics import EVENT_TYPES, full_name, subject_of

MICROS = {"type": "long", "logicalType": "timestamp-micros"}
EVENTS = [event_type for types in EVENT_TYPES.values() for event_type in types]


def as_avro(name: str, hint: Any) -> Any:
    """What the schema of a field with this type looks like, names left out."""
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) is tuple:
        return {"array": as_avro(name, get_args(hint)[0])}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return {"record": fields_of(hint)}
    return {str: "string", int: MICROS if name.endswith("_at") else "long"}[hint]


def fields_of(struct: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(struct)
    return [(name, as_avro(name, hints[name])) for name in struct.__struct_fields__]


def shown(schema: Any) -> Any:
    match schema:
        case {"type": "record", "fields": fields}:
            return {"record": [(field["name"], shown(field["type"])) for field in fields]}
        case {"type": "array", "items": items}:
            return {"array": shown(items)}
        case {"type": "enum", "symbols": symbols}:
            return {"enum": symbols}
    return schema


@pytest.mark.parametrize("event_type", EVENTS, ids=lambda event_type: event_type.__name__)
def test_a_struct_has_the_fields_of_its_schema_in_order(event_type: type[Event]) -> None:
    schema = committed_registry().newest(subject_of(event_type)).schema
    assert shown(schema) == {"record": fields_of(event_type)}
    assert f"{schema['namespace']}.{schema['name']}" == full_name(event_type)


def test_every_locked_schema_belongs_to_an_event_type() -> None:
    subjects = {locked.subject for locked in read_lock(DIRECTORY).values()}
    assert subjects == {subject_of(event_type) for event_type in EVENTS}
