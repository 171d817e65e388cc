"""Judges whether readers by one schema understand all that writers by another wrote (Avro's schema resolution).

`reading_errors(reader, writer)` lists what would fail, each with its path; FULL compatibility is both directions.
Stricter than Avro in one point: a logical type never changes, since the number would mean something else. Schemas are
as fastavro parses them (names in full) and made of what `app.serde.shape` allows.
"""

from collections.abc import Iterator
from typing import Any

from app.serde.shape import named_types

PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def full_errors(newer: Any, older: Any) -> list[str]:
    """Why the two are not FULL compatible; empty when they are."""
    backward = [f"new readers fail on old events: {error}" for error in reading_errors(newer, older)]
    return backward + [f"old readers fail on new events: {error}" for error in reading_errors(older, newer)]


def reading_errors(reader: Any, writer: Any) -> list[str]:
    """What a reader by `reader` could not read of the values written by `writer`."""
    return list(_Resolution(named_types(reader), named_types(writer)).errors(reader, writer, "$"))


class _Resolution:
    def __init__(self, reader_types: dict[str, Any], writer_types: dict[str, Any]) -> None:
        self._reader_types, self._writer_types = reader_types, writer_types

    def errors(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        if isinstance(writer, list):
            for branch in writer:
                yield from self.errors(reader, branch, path)
            return
        if isinstance(reader, list):
            if all(any(self.errors(branch, writer, path)) for branch in reader):
                yield f"{path}: no branch of the union reads {_kind(writer)}"
            return
        yield from self._plain_errors(
            self._reader_types.get(str(reader), reader), self._writer_types.get(str(writer), writer), path
        )

    def _plain_errors(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        kind, written = _kind(reader), _kind(writer)
        if _logical(reader) != _logical(writer):
            yield f"{path}: the logical type changed from {_logical(writer)} to {_logical(reader)}"
        if kind != written and kind not in PROMOTIONS.get(written, ()):
            yield f"{path}: {written} cannot be read as {kind}"
        elif kind == "record":
            yield from self._record(reader, writer, path)
        elif kind == "enum":
            yield from _enum(reader, writer, path)
        elif kind == "array":
            yield from self.errors(reader["items"], writer["items"], f"{path}[]")

    def _record(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        yield from _same_name(reader, writer, path)
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", [])]
            source = next((written[name] for name in names if name in written), None)
            if source is not None:
                yield from self.errors(field["type"], source["type"], f"{path}.{field['name']}")
            elif "default" not in field:
                yield f"{path}.{field['name']}: missing in the other version and without a default"


def _enum(reader: Any, writer: Any, path: str) -> Iterator[str]:
    yield from _same_name(reader, writer, path)
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if unknown and "default" not in reader:
        yield f"{path}: symbols {', '.join(unknown)} are unknown and the enum has no default"


def _same_name(reader: Any, writer: Any, path: str) -> Iterator[str]:
    if writer["name"] not in {reader["name"], *reader.get("aliases", [])}:
        yield f"{path}: the name changed from {writer['name']} to {reader['name']}"


def _kind(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _logical(schema: Any) -> str | None:
    return schema.get("logicalType") if isinstance(schema, dict) else None
