"""Names the schema of a value, as far as its first bytes and the registry tell."""

from app.errors import PoisonError
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES

_HEADER = 5


def schema_of(registry: SchemaRegistry, topic: str, value: bytes | None) -> str:
    """`orderflow.orders.OrderCreated`, `schema 41` for one that the registry lacks, nothing where there is none."""
    if topic not in EVENT_TYPES or value is None or len(value) < _HEADER or value[0] != 0:
        return ""
    number = int.from_bytes(value[1:_HEADER], "big", signed=True)
    try:
        schema = registry.schema(number).schema
    except PoisonError:
        return f"schema {number}"
    return f"{schema['namespace']}.{schema['name']}"
