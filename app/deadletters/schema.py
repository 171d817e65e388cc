"""Names the schema of a value, as far as its first bytes and the registry tell."""

from uuid import UUID

from app.errors import PoisonError
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES

_ID_HEADER, _GUID_HEADER = 5, 17


def schema_of(registry: SchemaRegistry, topic: str, value: bytes | None) -> str:
    """`orderflow.orders.OrderCreated`, `schema 41` for one that the registry lacks, nothing where there is none."""
    named = _named(value or b"") if topic in EVENT_TYPES else None
    if named is None:
        return ""
    try:
        schema = registry.schema(named).schema
    except PoisonError:
        return f"schema {named}"
    return f"{schema['namespace']}.{schema['name']}"


def _named(value: bytes) -> int | UUID | None:
    if value[:1] == b"\x00" and len(value) >= _ID_HEADER:
        return int.from_bytes(value[1:_ID_HEADER], "big", signed=True)
    if value[:1] == b"\x01" and len(value) >= _GUID_HEADER:
        return UUID(bytes=value[1:_GUID_HEADER])
    return None
