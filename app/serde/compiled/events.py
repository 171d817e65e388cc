"""Builds the decoder of one event type: the nodes that read its fields straight into it, each with its limits.

It knows the kinds of fields that events have. A type or a schema with another kind is left to the longer way.
"""

from collections.abc import Callable
from typing import Any

from msgspec import inspect

from app.domain.events import Event, Item
from app.domain.fields import MAX_ITEMS, MAX_MINOR
from app.serde.compiled import fields, values
from app.serde.compiled.resolution import MAX_LEVELS, MAX_STEPS, Resolution, kind_of
from app.serde.compiled.values import Node

IDS = {"event_id", "order_id", "correlation_id", "causation_id"}
CURRENCY = "currency"

_INT64 = -(2**63), 2**63 - 1


class _UncoveredError(Exception):
    """The type or the schema has a kind of field that is not known here."""


def event_decoder(
    writer: Any, reader: Any, event_type: type[Event], start: int, reference: Callable[[bytes], Event]
) -> Callable[[bytes], Event] | None:
    """Decodes values of `writer` whose body begins at `start`; None when a field is of a kind not known here.

    `reference` is asked about every value that is refused.
    """
    try:
        root = _Fields(Resolution(writer, reader)).node(writer, reader, inspect.type_info(event_type))
    except _UncoveredError:
        return None
    bounds = {"levels": MAX_LEVELS, "items": MAX_ITEMS, "steps": MAX_STEPS}
    return fields.EventDecoder(root, start, reference, **bounds).decode


class _Fields:
    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution

    def node(self, writer: Any, reader: Any, of: inspect.Type, name: str = "") -> Node:
        """Reads a `writer`, known to readers as a `reader`, into a field of this name and type."""
        resolved = self._resolution.resolved(writer, reader)
        if resolved is None:
            return values.Unreadable(f"{kind_of(writer)} cannot be read")
        writer, reader = resolved
        if isinstance(writer, list):
            return values.Union(tuple(self.node(branch, reader, of, name) for branch in writer))
        if isinstance(of, inspect.UnionType) and of.includes_none:
            if kind_of(writer) == "null":
                return values.Null()
            of = _the_other(of)
        return self._field(writer, reader, of, name)

    def _field(self, writer: Any, reader: Any, of: inspect.Type, name: str) -> Node:
        match kind_of(writer), kind_of(writer if reader is None else reader), of:
            case "null", _, _:
                return values.Unreadable("nothing was written where a value is read")
            case "string", "string", inspect.StrType():
                return _text(of, name)
            case "int" | "long", "int" | "long", inspect.IntType():
                return _number(of)
            case "enum", "enum", inspect.LiteralType(values=allowed):
                symbols = self._resolution.symbols(writer, reader)
                return values.Enum(tuple(symbol if symbol in allowed else None for symbol in symbols))
            case "array", "array", inspect.VarTupleType(item_type=item):
                node = self.node(writer["items"], reader and reader["items"], item)
                return fields.Items(node, of.min_length or 0, _most(of.max_length, MAX_ITEMS))
            case "record", "record", inspect.StructType():
                return self._struct(writer, reader, of)
        raise _UncoveredError

    def _struct(self, writer: Any, reader: Any, of: inspect.StructType) -> Node:
        found = self._resolution.fields(writer, reader)
        if found is None:
            return values.Unreadable(f"{writer['name']} cannot be read")
        known = {field.encode_name: field for field in of.fields}
        names: list[str] = []
        nodes: list[Node] = []
        for name, written, read in found[0]:
            if name is None:
                nodes.append(fields.Ignored(self._resolution.unread(written)))
            elif name not in known:
                nodes.append(fields.Ignored(self._resolution.node(written, read)))
            else:
                nodes.append(self.node(written, read, known[name].type, name))
                names.append(known[name].name)
        for name in [name for name in known if name in found[1]]:
            nodes.append(fields.Given(_default(found[1][name], known[name].type, name)))
            names.append(known[name].name)
        lacking = any(field.required and field.name not in names for field in of.fields)
        if lacking or of.forbid_unknown_fields or len(names) > fields.MAX_FIELDS:
            raise _UncoveredError
        if of.cls is not Item:
            return fields.Struct(of.cls, tuple(names), tuple(nodes))
        quantity, price = names.index("quantity"), names.index("unit_price_minor")
        return fields.Line(of.cls, tuple(names), tuple(nodes), quantity, price, MAX_MINOR)


def _the_other(of: inspect.UnionType) -> inspect.Type:
    """The type of an optional field when it is there."""
    others = [part for part in of.types if not isinstance(part, inspect.NoneType)]
    if len(others) != 1:
        raise _UncoveredError
    return others[0]


def _text(of: inspect.StrType, name: str) -> Node:
    length = of.min_length or 0, _most(of.max_length, _INT64[1])
    if of.pattern is not None or (name in IDS and length != (36, 36)) or (name == CURRENCY and length != (3, 3)):
        raise _UncoveredError
    if name in IDS:
        return fields.Uuid()
    return fields.Currency() if name == CURRENCY else fields.Printable(*length)


def _number(of: inspect.IntType) -> Node:
    if (of.gt, of.lt, of.multiple_of) != (None, None, None):
        raise _UncoveredError
    return fields.Number(_INT64[0] if of.ge is None else of.ge, _most(of.le, _INT64[1]))


def _default(value: Any, of: inspect.Type, name: str) -> object:
    """A default of a schema, where it needs no further check."""
    match value, of:
        case None, inspect.UnionType(includes_none=True):
            return None
        case str(), inspect.LiteralType(values=allowed) if value in allowed:
            return value
        case "", inspect.StrType(min_length=None | 0, pattern=None) if name not in IDS | {CURRENCY}:
            return value
        case [], inspect.VarTupleType(min_length=None | 0):
            return ()
    raise _UncoveredError


def _most(limit: int | None, otherwise: int) -> int:
    return otherwise if limit is None else limit
