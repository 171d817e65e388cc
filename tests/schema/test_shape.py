"""Schemas whose values could not be decoded within bounds are refused when they are loaded."""

from typing import Any
from uuid import UUID

import pytest

from app.domain.events import OrderCreated
from app.serde.codec import event_codec, parsed_schema
from app.serde.errors import UnsafeSchemaError
from app.serde.lock import CommittedRegistry
from app.serde.registry import RegisteredSchema
from app.serde.shape import shape_of
from app.serde.topics import ORDERS_EVENTS, subject_of


def record(*types: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{i}", "type": of} for i, of in enumerate(types)]}


def nested(depth: int) -> Any:
    return record(nested(depth - 1), name=f"R{depth}") if depth else "long"


def laughing(depth: int) -> list[Any]:
    """Few types that unfold to very many: each holds ten of the one before."""
    levels = range(1, depth)
    return [record("long", name="L0"), *[record(*[f"L{level - 1}"] * 10, name=f"L{level}") for level in levels]]


UNSAFE = {
    "a record in itself": record(["null", "R"]),
    "a record in its own items": record({"type": "array", "items": "R"}),
    "two records in each other": record(["null", record(["null", "R"], name="S")]),
    "items of no bytes": record({"type": "array", "items": "null"}),
    "items of empty records": record({"type": "array", "items": record(name="E")}),
    "items of one byte": record({"type": "array", "items": "long"}),
    "maps": record({"type": "map", "values": "long"}),
    "fixed": record({"type": "fixed", "name": "F", "size": 16}),
    "too deep": nested(20),
    "too large": record(*["long"] * 1_100),
    "small but unfolding": record(*laughing(6)),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_an_unbounded_schema_is_refused(case: str) -> None:
    with pytest.raises(UnsafeSchemaError):
        shape_of(parsed_schema(UNSAFE[case]))


def test_optional_fields_and_repeated_types_are_safe() -> None:
    item = record("string", "long", "double", name="Item")
    shape = shape_of(parsed_schema(record(["null", "string"], item, "Item", {"type": "array", "items": "Item"})))
    assert shape.least_bytes == 1 + 10 + 10 + 1


@pytest.mark.parametrize("schema", [{"type": "record"}, {"type": "record", "name": "R", "fields": [{"name": "a"}]}])
def test_what_is_no_avro_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnsafeSchemaError):
        parsed_schema(schema)


def test_a_registry_with_an_unsafe_schema_ends_no_decoder() -> None:
    schema = {**record(["null", "OrderCreated"], name="OrderCreated"), "namespace": "orderflow.orders"}
    registered = RegisteredSchema(id=1, guid=UUID(int=1), subject=subject_of(OrderCreated), version=1, schema=schema)
    with pytest.raises(UnsafeSchemaError, match="contains itself"):
        event_codec(CommittedRegistry([registered]), ORDERS_EVENTS).decode(b"\x00\x00\x00\x00\x01\x02")
