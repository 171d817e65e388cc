"""Builds the nodes that read values of a writer's schema, as a reader's schema asks for them where there is one.

The rules are those of fastavro, down to what it cannot read: there an `Unreadable` node refuses the value.
Schemas are as fastavro parsed them: names in full, each type defined before it is named.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fastavro.read import LOGICAL_READERS

from app.domain.fields import MAX_ITEMS
from app.serde.compatibility import PROMOTIONS
from app.serde.compiled import values
from app.serde.compiled.values import Decoder, Node
from app.serde.errors import UnsafeSchemaError
from app.serde.shape import named_types

MAX_LEVELS = 64
MAX_STEPS = 1_000_000

_NAMED = {"record", "error", "enum", "fixed"}
_FLOATS = {"float", "double"}

# how each primitive type is read, by the kind that readers know it as
_PRIMITIVES: dict[str, Callable[[str], Node]] = {
    "null": lambda _: values.Null(),
    "boolean": lambda _: values.Boolean(),
    "int": lambda read: values.Long(read in _FLOATS),
    "long": lambda read: values.Long(read in _FLOATS),
    "float": lambda _: values.Float(),
    "double": lambda _: values.Double(),
    "string": lambda read: values.Text(read == "bytes"),
    "bytes": lambda read: values.Bytes(read == "string"),
}
_KINDS = _NAMED | _PRIMITIVES.keys() | {"array", "map", "union"}


class ReadField(NamedTuple):
    """A field as it is written, and as whom readers know it; without a name they do not."""

    name: str | None
    written: Any
    read: Any


def decoder(writer: Any, reader: Any = None) -> Decoder:
    """Reads values of `writer` as builtins; an `UnsafeSchemaError` for a kind of schema that it does not know."""
    node = Resolution(writer, None if reader == writer else reader).root()
    return Decoder(node, levels=MAX_LEVELS, items=MAX_ITEMS, steps=MAX_STEPS)


def kind_of(schema: Any) -> str:
    """The kind of a type, or the name of the type that it refers to."""
    return "union" if isinstance(schema, list) else str(schema["type"] if isinstance(schema, dict) else schema)


class Resolution:
    """What one schema's readers make of another's values. Without `logical`, values stay as they are written."""

    def __init__(self, writer: Any, reader: Any, *, logical: bool = True) -> None:
        self._writer, self._reader, self._logical = writer, reader, logical
        self._written, self._read = named_types(writer), named_types(reader)
        self._records: dict[tuple[str, str | None], values.Record] = {}

    def root(self) -> Node:
        return self.node(self._writer, self._reader)

    def node(self, writer: Any, reader: Any) -> Node:
        """Reads a `writer` as a `reader`; as it was written without one."""
        resolved = self.resolved(writer, reader)
        if resolved is None:
            return values.Unreadable(f"{kind_of(writer)} was written where {kind_of(reader)} is read")
        writer, reader = resolved
        if self._logical and isinstance(writer, dict) and "logicalType" in writer:
            convert = LOGICAL_READERS.get(f"{writer['type']}-{writer['logicalType']}")
            if convert is not None:
                return values.Logical(self._plain(writer, reader, kind_of(writer)), convert, (writer, reader))
        return self._plain(writer, reader, kind_of(writer if reader is None else reader))

    def unread(self, writer: Any) -> Node:
        """Reads what readers do not ask for."""
        skipping = Resolution(None, None, logical=False)
        skipping._written = self._written
        return skipping.node(writer, None)

    def resolved(self, writer: Any, reader: Any) -> tuple[Any, Any] | None:
        """The definitions of both; None where readers cannot read what was written."""
        if reader is not None:
            reader = self._match(writer, reader)
            if reader is None:
                return None
        if (kind := kind_of(writer)) not in _KINDS:
            if isinstance(reader, dict) or kind not in self._written:
                return None
            return self.resolved(self._written[kind], None if reader is None else self._read.get(reader))
        # a record or enum that readers know by reference as a branch of a union; a union in a union
        nameless = isinstance(reader, str) and kind in _NAMED - {"fixed"}
        return None if nameless or (isinstance(reader, list) and kind != "union") else (writer, reader)

    def fields(self, writer: Any, reader: Any) -> tuple[list[ReadField], dict[str, Any]] | None:
        """The fields of two records in the order of the bytes, and the defaults of those that were not written."""
        if reader is None:
            return [ReadField(field["name"], field["type"], None) for field in writer["fields"]], {}
        missing = {field["name"]: field for field in reader["fields"]}
        aliases = {alias: field for field in reader["fields"] for alias in field.get("aliases", ())}
        found = []
        for field in writer["fields"]:
            known = missing.get(field["name"]) or aliases.get(field["name"])
            if known is None:
                found.append(ReadField(None, field["type"], None))
            elif missing.pop(known["name"], None) is None:
                return None  # two names for one field
            else:
                found.append(ReadField(known["name"], field["type"], known["type"]))
        if any("default" not in field for field in missing.values()):
            return None
        return found, {name: field["default"] for name, field in missing.items()}

    def symbols(self, writer: Any, reader: Any) -> tuple[str | None, ...]:
        """What each symbol is read as; None for one that readers refuse."""
        if reader is None:
            return tuple(writer["symbols"])
        known, default = reader["symbols"], reader.get("default") or None
        return tuple(symbol if symbol in known else default for symbol in writer["symbols"])

    def _plain(self, writer: Any, reader: Any, as_kind: str) -> Node:
        kind = kind_of(writer)
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind](as_kind)
        match kind:
            case "fixed":
                return values.Fixed(writer["size"])
            case "enum":
                return values.Enum(self.symbols(writer, reader))
            case "array":
                return values.Array(self.node(writer["items"], reader and reader["items"]))
            case "map":
                return values.Map(self.node(writer["values"], reader and reader["values"]))
            case "union":
                return values.Union(tuple(self.node(branch, reader) for branch in writer))
            case "record" | "error":
                return self._record(writer, reader)
        raise UnsafeSchemaError(f"a {kind} is no type of a value")

    def _record(self, writer: Any, reader: Any) -> Node:
        key = (writer["name"], reader and reader["name"])
        if key in self._records:
            return self._records[key]
        found = self.fields(writer, reader)
        if found is None:
            return values.Unreadable(f"{writer['name']} was written without a field that has no default")
        self._records[key] = record = values.Record()
        fields, defaults = found
        nodes = [
            self.unread(field.written) if field.name is None else self.node(field.written, field.read)
            for field in fields
        ]
        record.fill(tuple(field.name for field in fields), tuple(nodes), defaults)
        return record

    def _match(self, writer: Any, reader: Any) -> Any:
        """The type that readers take for a `writer`: of a union, the first that fits. None when none does."""
        written, read = kind_of(writer), kind_of(reader)
        if written == "union":
            return reader  # each branch is looked at for itself
        if read == "union":
            return next((branch for branch in reader if self._fits(writer, branch)), None)
        if written == read and written in {"array", "map"}:
            part = "items" if written == "array" else "values"
            return reader if self._fits(writer[part], reader[part]) else None
        if written in _NAMED and read in _NAMED:
            return reader if _same_type(writer, reader) else None
        if written not in _KINDS and read in _NAMED:
            return reader["name"] if self._fits(written, reader["name"]) else None
        if written in _NAMED and read not in _KINDS:
            definition = self._read.get(read)
            return definition if definition is not None and self._fits(writer, definition) else None
        return reader if self._fits(written, read) else None

    def _fits(self, writer: Any, reader: Any) -> bool:
        if isinstance(writer, list) or isinstance(reader, list):
            return True
        if isinstance(writer, dict) or isinstance(reader, dict):
            return self._match(writer, reader) is not None
        if writer == reader or reader in PROMOTIONS.get(writer, ()):
            return True
        known = self._written.get(writer), self._read.get(reader)
        return None not in known and self._fits(*known)


def _same_type(writer: Any, reader: Any) -> bool:
    if kind_of(writer) != kind_of(reader) or writer.get("size") != reader.get("size"):
        return False
    known, name = {reader["name"].rpartition(".")[2], *reader.get("aliases", ())}, writer["name"]
    return name in known or name.rpartition(".")[2] in known
