"""Changes a schema as its owners might, in ways that readers understand and in ways that they do not."""

from copy import deepcopy
from typing import Any

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, UnknownType
from hypothesis import assume
from hypothesis import strategies as st

DEFAULTS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "int": 7,
    "long": 7,
    "float": 0.5,
    "double": 0.5,
    "string": "given",
    "bytes": "given",
}
PROMOTED = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"]}
EXCHANGED = {"string": ["bytes", "int"], "bytes": ["string"], "boolean": ["string"], "double": ["long"]}


@st.composite
def evolved(draw: st.DrawFn, schema: Any) -> Any:
    """Another version of a parsed schema, as fastavro parses it."""
    version = _evolved(draw, deepcopy(schema))
    try:
        return parse_schema(version)
    except (SchemaParseException, UnknownType):  # a type was left out or renamed that others refer to
        assume(False)


def _evolved(draw: st.DrawFn, schema: Any, *, in_union: bool = False) -> Any:
    if isinstance(schema, list):
        branches = [_evolved(draw, branch, in_union=True) for branch in schema]
        return draw(st.sampled_from([branches, branches, branches[::-1], branches[:1], branches[0]]))
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(schema, dict) and kind not in DEFAULTS:
        schema = _evolved_parts(draw, {key: part for key, part in schema.items() if not key.startswith("__")})
    else:
        schema = draw(st.sampled_from([schema] * 3 + PROMOTED.get(kind, []) + EXCHANGED.get(kind, [])))
    return ["null", schema] if not in_union and kind != "null" and draw(st.integers(0, 5)) == 0 else schema


def _evolved_parts(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    for part in {"items", "values"} & schema.keys():
        schema[part] = _evolved(draw, schema[part])
    if schema["type"] == "record":
        schema["fields"] = _evolved_fields(draw, schema["fields"])
    elif schema["type"] == "enum":
        schema["symbols"] = [*draw(st.permutations(schema["symbols"]))[draw(st.integers(0, 1)) :], "new"]
        if draw(st.booleans()):
            schema["default"] = "new"
    elif schema["type"] == "fixed":
        schema["size"] += draw(st.sampled_from([0, 0, 0, 1]))
    if "name" in schema and draw(st.integers(0, 4)) == 0:
        renamed = f"{schema['name']}Renamed"
        schema["aliases"], schema["name"] = [schema["name"]] * draw(st.integers(0, 1)), renamed
    return schema


def _evolved_fields(draw: st.DrawFn, fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = []
    for field in fields:
        change = draw(st.sampled_from(["type"] * 4 + ["none", "none", "leave out", "rename", "alias"]))
        if change == "type":
            field["type"] = _evolved(draw, field["type"])
        elif change == "alias":
            field["aliases"] = [field["name"]]
        if change in {"rename", "alias"}:
            field["name"] += "_renamed"
        if change != "leave out":
            kept.append(field)
    for kind in draw(st.lists(st.sampled_from(sorted(DEFAULTS)), max_size=2, unique=True)):
        added: dict[str, Any] = {"name": f"added_{kind}", "type": kind}
        kept.append({**added, "default": DEFAULTS[kind]} if draw(st.integers(0, 9)) else added)
    return list(draw(st.permutations(kept)))
