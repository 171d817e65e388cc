"""An event type as later ones may be, the versions of its schema, and its values in each of them."""

from collections.abc import Iterable
from typing import Any, Literal

from hypothesis import strategies as st

from app.domain.events import Event, Item
from app.domain.fields import Quantity, Text
from app.serde.codec import parsed_schema
from app.serde.shape import named_types
from tests.schema.generated import PLAIN, write
from tests.schema.sample_events import ENVELOPE


def record(name: str, fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": field, "type": of} for field, of in fields]}


class Parcel(Event, frozen=True, kw_only=True, gc=False):
    """Has the kinds of fields that later versions of events may have: optional ones and ones with a default."""

    label: Text | None = None
    count: Quantity | None = None
    kind: Literal["light", "heavy"] = "light"
    remark: Text = ""
    items: tuple[Item, ...] = ()


ITEM = [("sku", "string"), ("quantity", "long"), ("unit_price_minor", "long")]
KIND = {"type": "enum", "name": "Kind", "symbols": ["light", "heavy"]}
PARCEL: dict[str, Any] = {
    **{name: "long" if isinstance(value, int) else "string" for name, value in ENVELOPE.items()},
    "label": ["null", "string"],
    "count": ["null", "int"],
    "kind": KIND,
    "remark": "string",
    "items": {"type": "array", "items": record("Item", ITEM)},
}
DEFAULTS: dict[str, Any] = {"label": None, "count": None, "kind": "light", "remark": "", "items": []}

# what another version has instead; None where it lacks a field
VERSIONS: dict[str, dict[str, Any]] = {
    "the same": {},
    "before there was more than the envelope": dict.fromkeys(DEFAULTS),
    "a label that is always there": {"label": "string"},
    "a label that may be a number": {"label": ["null", "long", "string"]},
    "larger counts": {"count": ["long", "null"]},
    "a count that is always there": {"count": "int"},
    "counts in fractions": {"count": "double"},
    "kinds in another order, and one more": {
        "kind": {**KIND, "symbols": ["huge", "heavy", "light"], "default": "light"}
    },
    "the kind as a text": {"kind": "string"},
    "an optional remark": {"remark": ["null", "string"]},
    "a remark in bytes": {"remark": "bytes"},
    "an id in bytes": {"order_id": "bytes"},
    "an optional version": {"version": ["null", "int"]},
    "items with an unknown field": {
        "items": {"type": "array", "items": record("Item", [("colour", ["null", "string"]), *ITEM[::-1]])}
    },
    "items with a price that may be missing": {
        "items": {"type": "array", "items": record("Item", [*ITEM[:2], ("unit_price_minor", ["null", "long"])])}
    },
    "one item instead of items": {"items": record("Item", ITEM)},
    "seventy more fields": {f"more_{index}": "int" for index in range(70)},
    "fields of kinds that no event has": {"tags": {"type": "map", "values": "string"}},
    "fields that only this version knows": {
        "weight": ["null", "double"],
        "box": record("Box", [("inner", ["null", "Kind"]), ("sizes", {"type": "array", "items": "double"})]),
    },
}
TEXTS = st.sampled_from(["to the left", "zur Tür"] * 9 + ["", "a\x85b", "a\x00b", "x" * 257])
NUMBERS = st.sampled_from([1, 2, 3, 10**6] * 6 + [0, -1, 2**31 - 1])


def version(name: str) -> Any:
    """The schema of a parcel in this version."""
    fields = {field: of for field, of in {**PARCEL, **VERSIONS[name]}.items() if of is not None}
    schema = record("Parcel", fields.items())
    for field in schema["fields"]:
        if field["name"] in DEFAULTS and PARCEL[field["name"]] == field["type"]:
            field["default"] = DEFAULTS[field["name"]]
    return parsed_schema(schema)


@st.composite
def parcels(draw: st.DrawFn, schema: Any) -> bytes:
    """A parcel as this version writes it."""
    named = named_types(schema)
    fields = {field["name"]: draw(_values(field["type"], named)) for field in schema["fields"]}
    for name, value in ENVELOPE.items():
        if draw(st.integers(0, 60)):
            fields[name] = str(value).encode() if isinstance(fields[name], bytes) else value
    return write(schema, fields)


def _values(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    match named.get(schema, schema) if isinstance(schema, str) else schema:
        case list(branches):
            return st.one_of([_values(branch, named) for branch in branches])
        case {"type": "record", "fields": fields}:
            return st.fixed_dictionaries({field["name"]: _values(field["type"], named) for field in fields})
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": "array", "items": items}:
            return st.lists(_values(items, named), max_size=3)
        case {"type": "map", "values": values}:
            return st.dictionaries(TEXTS, _values(values, named), max_size=3)
        case {"type": "fixed", "size": size}:
            return st.binary(min_size=size, max_size=size)
        case "string":
            return TEXTS
        case "int" | "long":
            return NUMBERS
        case kind:
            return PLAIN[kind]
