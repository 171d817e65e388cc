"""Decides whether values of a schema can be decoded safely, and walks over a value without building it.

fastavro does as many steps as a value asks for. Its work is bounded by the bytes of the value only when the schema is
not recursive and every repeated item takes bytes: a schema without these properties is refused when it is loaded.
What is left to bound before decoding is the number of items in a large value.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.serde.errors import MalformedValueError, UnsafeSchemaError

MAX_DEPTH = 16
MAX_NODES = 1_000
MAX_VARINT_BYTES = 10
ITEM_BYTES = 3  # the least that an item of an array may take: n bytes hold at most n / 3 items

# the least bytes of each plain type; those of null, boolean, float and double are all that they take
_PLAIN = {"null": 0, "boolean": 1, "float": 4, "double": 8, "int": 1, "long": 1, "string": 1, "bytes": 1}


class Shape(msgspec.Struct, frozen=True):
    """A type with its parts: fields of a record, branches of a union, the items of an array.

    `least_bytes` is the least that a value takes, `nodes` the size of the whole tree.
    """

    kind: str
    parts: tuple["Shape", ...]
    least_bytes: int
    nodes: int


def shape_of(parsed: Any) -> Shape:
    """The shape of a schema as fastavro parsed it; an `UnsafeSchemaError` says why its values are unsafe to decode."""
    return _shape(parsed, {}, 0)


def scan(shape: Shape, value: bytes, start: int, max_items: int) -> None:
    """Raises `MalformedValueError` unless `value[start:]` is one value of this shape with at most `max_items` items."""
    reader = _Reader(value, start, max_items)
    reader.skip(shape)
    if reader.at != len(value):
        raise MalformedValueError(f"{len(value) - reader.at} bytes follow the event; mend its producer")


def named_types(schema: Any) -> dict[str, Any]:
    """The types with a name that are defined anywhere in a parsed schema."""
    if isinstance(schema, list):
        parts = schema
    elif isinstance(schema, dict):
        parts = [field["type"] for field in schema.get("fields", ())] + [schema.get("items"), schema.get("values")]
    else:
        return {}
    found = {schema["name"]: schema} if isinstance(schema, dict) and "name" in schema else {}
    for part in parts:
        found |= named_types(part)
    return found


def _shape(schema: Any, named: dict[str, Shape | None], depth: int) -> Shape:
    if depth > MAX_DEPTH:
        raise UnsafeSchemaError(f"a schema deeper than {MAX_DEPTH} levels; make the event flatter")
    match schema:
        case str() if schema not in _PLAIN:
            known = named.get(schema)
            if known is None:
                raise UnsafeSchemaError(f"type {schema} contains itself; events nest a fixed number of levels")
            return known
        case str(kind) | {"type": str(kind)} if kind in _PLAIN:
            return _node(kind)
        case list():
            return _node("union", [_shape(branch, named, depth + 1) for branch in schema])
        case {"type": "array", "items": items}:
            return _node("array", [_shape(items, named, depth + 1)])
        case {"type": "record" | "enum" as kind, "name": str(name)}:
            named[name] = None
            parts = [_shape(field["type"], named, depth + 1) for field in schema.get("fields", [])]
            named[name] = shape = _node(kind, parts)
            return shape
    raise UnsafeSchemaError(f"events are made of records, arrays, enums, unions and plain values, not of {schema}")


def _node(kind: str, parts: Sequence[Shape] = ()) -> Shape:
    least = [part.least_bytes for part in parts]
    if kind == "array" and least[0] < ITEM_BYTES:
        raise UnsafeSchemaError(f"an item of an array may take {least[0]} bytes; it must take {ITEM_BYTES}")
    nodes = 1 + sum(part.nodes for part in parts)
    if nodes > MAX_NODES:
        raise UnsafeSchemaError(f"a schema of {nodes} nodes; the limit is {MAX_NODES}: make the event smaller")
    bytes_of = {"record": sum(least), "union": 1 + min(least, default=0)}
    return Shape(kind, tuple(parts), bytes_of.get(kind, _PLAIN.get(kind, 1)), nodes)


class _Reader:
    def __init__(self, value: bytes, at: int, max_items: int) -> None:
        self.at = at
        self._value, self._items_left = value, max_items

    def skip(self, shape: Shape) -> None:
        match shape.kind:
            case "record":
                for part in shape.parts:
                    self.skip(part)
            case "array":
                self._skip_items(shape.parts[0])
            case "union":
                branch = self._long()
                if not 0 <= branch < len(shape.parts):
                    raise MalformedValueError(f"branch {branch} of a union with {len(shape.parts)}; mend its producer")
                self.skip(shape.parts[branch])
            case "string" | "bytes":
                self._advance(self._long())
            case "int" | "long" | "enum":
                self._long()
            case kind:
                self._advance(_PLAIN[kind])

    def _skip_items(self, item: Shape) -> None:
        while count := self._long():
            if count < 0:  # a block that names its size in bytes
                count = -count
                self._long()
            self._items_left -= count
            if self._items_left < 0 or count * item.least_bytes > len(self._value) - self.at:
                raise MalformedValueError(f"a block of {count} items is more than the event may hold")
            for _ in range(count):
                self.skip(item)

    def _long(self) -> int:
        result, start = 0, self.at
        while True:
            if self.at >= len(self._value) or self.at - start == MAX_VARINT_BYTES:
                raise MalformedValueError(f"no number at byte {start}; mend its producer")
            byte = self._value[self.at]
            result |= (byte & 0x7F) << 7 * (self.at - start)
            self.at += 1
            if byte < 0x80:
                return (result >> 1) ^ -(result & 1)

    def _advance(self, size: int) -> None:
        if not 0 <= size <= len(self._value) - self.at:
            raise MalformedValueError(f"{size} bytes announced at byte {self.at} are not there; mend its producer")
        self.at += size
