"""Avro's rules of resolution, both ways, by cases."""

from typing import Any

import pytest

from app.serde.codec import parsed_schema
from app.serde.compatibility import full_errors, reading_errors

ENUM = {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}
WIDER = {"type": "enum", "name": "Kind", "symbols": ["a", "b", "c"]}
WIDER_WITH_DEFAULT = {**WIDER, "default": "a"}
ITEM = {"type": "record", "name": "Item", "fields": [{"name": "sku", "type": "string"}]}
DATE = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}


def record(*fields: dict[str, Any], **more: Any) -> Any:
    return parsed_schema({"type": "record", "name": "shop.Order", "fields": list(fields), **more})


def field(name: str, of: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": of, **more}


A = field("a", "long")

BOTH_WAYS = {
    "nothing changed": (record(A), record(A)),
    "a field with a default was added": (record(A, field("b", "string", default="")), record(A)),
    "a field with a default was removed": (record(A), record(A, field("b", "string", default=""))),
    "fields changed places": (record(A, field("b", "string")), record(field("b", "string"), A)),
    "documentation was added": (record(A, doc="an order"), record(A)),
    "a string became bytes": (record(field("a", "bytes")), record(field("a", "string"))),
    "a named type is referred to": (
        record(field("a", ITEM), field("b", "shop.Item", default={"sku": "x"})),
        record(field("a", ITEM)),
    ),
    "a union in another order": (record(field("a", ["null", "long"])), record(field("a", ["long", "null"]))),
}
BROKEN = {
    "a field without a default was added": (record(A, field("b", "string")), record(A)),
    "a field without a default was removed": (record(A), record(A, field("b", "string"))),
    "a field was renamed": (record(field("b", "long")), record(A)),
    "only new readers know the old name": (record(field("b", "long", aliases=["a"])), record(A)),
    "a long became an int": (record(field("a", "int")), record(A)),
    "an int became a long": (record(A), record(field("a", "int"))),
    "a long became a string": (record(field("a", "string")), record(A)),
    "an enum has a new symbol": (record(field("a", WIDER)), record(field("a", ENUM))),
    "an enum lost a symbol": (record(field("a", ENUM)), record(field("a", WIDER))),
    "an enum was renamed": (record(field("a", {**ENUM, "name": "Sort"})), record(field("a", ENUM))),
    "a type became optional": (record(field("a", ["null", "long"])), record(A)),
    "a union lost a branch": (record(field("a", ["null", "long"])), record(field("a", ["null", "long", "string"]))),
    "the record was renamed": (record(A, name="shop.Sale"), record(A)),
    "items changed": (
        record(field("a", {"type": "array", "items": "string"})),
        record(field("a", {"type": "array", "items": "long"})),
    ),
    "a nested record got a field": (
        record(field("a", {**ITEM, "fields": [*ITEM["fields"], field("quantity", "long")]})),
        record(field("a", ITEM)),
    ),
    "a time changed its unit": (record(field("a", MILLIS)), record(field("a", DATE))),
    "a time became a number": (record(A), record(field("a", DATE))),
}


@pytest.mark.parametrize("case", BOTH_WAYS)
def test_compatible_changes_pass_in_both_orders(case: str) -> None:
    newer, older = BOTH_WAYS[case]
    assert full_errors(newer, older) == []
    assert full_errors(older, newer) == []


@pytest.mark.parametrize("case", BROKEN)
def test_incompatible_changes_are_found_in_both_orders(case: str) -> None:
    newer, older = BROKEN[case]
    assert full_errors(newer, older)
    assert full_errors(older, newer)


def test_a_reader_whose_enum_has_a_default_reads_unknown_symbols() -> None:
    assert reading_errors(record(field("a", {**ENUM, "default": "a"})), record(field("a", WIDER_WITH_DEFAULT))) == []


@pytest.mark.parametrize(("reader", "writer"), [("long", "int"), ("double", "float"), ("float", "long")])
def test_a_reader_may_be_wider_than_the_writer(reader: str, writer: str) -> None:
    assert reading_errors(record(field("a", reader)), record(field("a", writer))) == []


def test_an_error_names_the_direction_and_the_path() -> None:
    newer = record(field("a", {**ITEM, "fields": [field("sku", "long")]}))
    assert full_errors(newer, record(field("a", ITEM))) == [
        "new readers fail on old events: $.a.sku: string cannot be read as long",
        "old readers fail on new events: $.a.sku: long cannot be read as string",
    ]
