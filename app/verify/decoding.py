"""Reads the bytes of a topic as plain dicts, straight from `schemas/`: a second reading, independent of `app.serde`."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro

from app.verify.model import Event

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
ID_HEADER_BYTES, GUID_HEADER_BYTES = 5, 17
# What fastavro raises on bytes that are no value of the schema.
UNREADABLE = (EOFError, IndexError, KeyError, MemoryError, OverflowError, TypeError, ValueError)


class Decoder:
    """Decodes with the schemas that the lock names; instants stay integers."""

    def __init__(self, directory: Path = SCHEMAS) -> None:
        lock = json.loads((directory / "ids.lock").read_bytes())
        self._schemas: dict[bytes, tuple[str, Any]] = {}
        for number, locked in lock.items():
            schema = locked["subject"], _plain_schema(directory / locked["file"])
            self._schemas[b"\0" + int(number).to_bytes(4, "big")] = schema
            self._schemas[b"\1" + UUID(locked["guid"]).bytes] = schema

    def decode(self, topic: str, value: bytes | None) -> Event | None:
        """The event, or None when the bytes are no event of the topic."""
        if not value:
            return None
        start = GUID_HEADER_BYTES if value[0] == 1 else ID_HEADER_BYTES
        subject, schema = self._schemas.get(value[:start], ("", None))
        if not subject.startswith(f"{topic}-"):
            return None
        body = io.BytesIO(value[start:])
        try:
            fields: Event = fastavro.schemaless_reader(body, schema, None)
        except UNREADABLE:
            return None
        if body.read(1):
            return None
        return {**fields, "type": subject.rpartition(".")[2], "raw": value}


def _plain_schema(path: Path) -> Any:
    def without_logical_type(node: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in node.items() if name != "logicalType"}

    return fastavro.parse_schema(json.loads(path.read_bytes(), object_hook=without_logical_type))
