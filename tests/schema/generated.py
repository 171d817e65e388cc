"""Schemas that Hypothesis makes up, each with values of it: every kind of type that Avro has, one inside the other."""

import string
from io import BytesIO
from typing import Any, TypeAlias

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import strategies as st

from app.serde.decoder import AVAILABLE, UNREADABLE, DecoderName, Read
from app.serde.errors import MalformedValueError

Values: TypeAlias = st.SearchStrategy[Any]

INTS, LONGS = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOATS = st.floats(width=32)
PLAIN: dict[str, Values] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": INTS,
    "long": LONGS,
    "float": FLOATS,
    "double": st.floats(),
    "string": TEXTS,
    "bytes": st.binary(max_size=20),
}
LOGICAL: list[tuple[dict[str, Any], Values]] = [
    # as they are written: what a reader makes of a number is its own affair, and not every number is a time
    ({"type": "int", "logicalType": "date"}, st.integers(-800_000, 3_000_000)),
    ({"type": "int", "logicalType": "time-millis"}, st.integers(-5, 90_000_000)),
    ({"type": "long", "logicalType": "time-micros"}, st.integers(-5, 90_000_000_000)),
    ({"type": "long", "logicalType": "timestamp-millis"}, LONGS | st.integers(-(10**14), 10**14)),
    ({"type": "long", "logicalType": "timestamp-micros"}, LONGS | st.integers(-(10**17), 10**17)),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, st.integers(-(10**17), 10**17)),
    ({"type": "string", "logicalType": "uuid"}, st.uuids().map(str) | TEXTS),
    ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, st.binary(max_size=6)),
    ({"type": "long", "logicalType": "known-to-nobody"}, LONGS),
]


class Names:
    """Gives each named type of one schema a name of its own, and remembers those that are complete."""

    def __init__(self) -> None:
        self.count = 0
        self.complete: list[tuple[str, Values]] = []

    def new(self, kind: str) -> str:
        self.count += 1
        return f"generated.{kind}{self.count}"


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3) -> tuple[Any, Values]:
    """A schema as fastavro parses it, and its values in the form in which they are written."""
    schema, values = _type(draw, Names(), depth)
    return parse_schema(schema), values


def _type(draw: st.DrawFn, names: Names, depth: int) -> tuple[Any, Values]:
    kinds = ["plain", "plain", "logical", "enum", "fixed"] + ["known"] * bool(names.complete)
    kind = draw(st.sampled_from(kinds + ["array", "map", "union", "record", "record"] * (depth > 0)))
    match kind:
        case "plain":
            plain_kind = draw(st.sampled_from(sorted(PLAIN)))
            return plain_kind, PLAIN[plain_kind]
        case "logical":
            return LOGICAL[draw(st.integers(0, len(LOGICAL) - 1))]
        case "known":
            return draw(st.sampled_from(names.complete))
        case "array":
            items, values = _type(draw, names, depth - 1)
            return {"type": "array", "items": items}, st.lists(values, max_size=4)
        case "map":
            items, values = _type(draw, names, depth - 1)
            return {"type": "map", "values": items}, st.dictionaries(TEXTS, values, max_size=4)
        case "union":
            return _union(draw, names, depth)
    return _named(draw, names, kind, depth)


def _named(draw: st.DrawFn, names: Names, kind: str, depth: int) -> tuple[Any, Values]:
    name = names.new(kind)
    values: Values
    schema: dict[str, Any] = {"type": kind, "name": name}
    if kind == "enum":
        symbols = draw(st.lists(st.sampled_from(string.ascii_letters), min_size=1, max_size=5, unique=True))
        schema["symbols"], values = symbols, st.sampled_from(symbols)
    elif kind == "fixed":
        schema["size"] = draw(st.integers(0, 20))
        values = st.binary(min_size=schema["size"], max_size=schema["size"])
    else:
        parts = [(f"f{index}", *_type(draw, names, depth - 1)) for index in range(draw(st.integers(0, 5)))]
        schema["fields"] = [{"name": field, "type": of} for field, of, _ in parts]
        values = st.fixed_dictionaries({field: of for field, _, of in parts})
    names.complete.append((name, values))
    return schema, values


def _union(draw: st.DrawFn, names: Names, depth: int) -> tuple[Any, Values]:
    branches: dict[str, tuple[Any, Values]] = {}
    for _ in range(draw(st.integers(1, 3))):
        before = list(names.complete)
        schema, values = _type(draw, names, depth - 1)
        # no union in a union, and no two branches of one type
        name = (
            ""
            if isinstance(schema, list)
            else schema.get("name", schema["type"])
            if isinstance(schema, dict)
            else schema
        )
        if name and name not in branches:
            branches[name] = schema, values
        else:
            names.complete = before
    branches = branches or {"null": ("null", st.none())}
    return [schema for schema, _ in branches.values()], st.one_of(*[values for _, values in branches.values()])


def plain(schema: Any) -> Any:
    """The schema by which values are written in their plain form."""
    if isinstance(schema, dict):
        return {key: plain(part) for key, part in schema.items() if key not in {"logicalType", "__named_schemas"}}
    return [plain(part) for part in schema] if isinstance(schema, list) else schema


def write(schema: Any, value: Any) -> bytes:
    body = BytesIO()
    schemaless_writer(body, parse_schema(plain(schema)), value)
    return body.getvalue()


def by_fastavro(writer: Any, reader: Any = None) -> Read:
    def read(value: bytes) -> Any:
        body = BytesIO(value)
        try:
            decoded = schemaless_reader(body, writer, reader)
        except (*UNREADABLE, ArithmeticError) as error:
            raise MalformedValueError(str(error)) from None
        if body.tell() != len(value):
            raise MalformedValueError("bytes follow")
        return decoded

    return read


def by_compiled(writer: Any, reader: Any = None) -> Read:
    from app.serde.compiled.resolution import decoder

    return decoder(writer, reader).decode


READERS = {name: {"fastavro": by_fastavro, "compiled": by_compiled}[name] for name in AVAILABLE}


def read_by(name: DecoderName, body: bytes, writer: Any, reader: Any = None) -> str:
    """What is read, told apart even where it is equal (1 and True, 0.0 and -0.0), or the word refused."""
    try:
        return repr(READERS[name](writer, reader)(body))
    except MalformedValueError:
        return "refused"
