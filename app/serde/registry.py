"""What the codecs ask of a schema registry."""

from typing import Any, Protocol
from uuid import UUID

import msgspec


class RegisteredSchema(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a subject; `schema` is the parsed JSON of its file, `guid` its name in every registry."""

    id: int
    guid: UUID
    subject: str
    version: int
    schema: dict[str, Any]


class SchemaRegistry(Protocol):
    """Ids and schemas never change once given. Every method may raise `RegistryUnavailableError`."""

    def schema(self, schema_id: int | UUID) -> RegisteredSchema:
        """The schema with this id or GUID; raises `UnknownSchemaError` when the registry has none."""

    def newest(self, subject: str) -> RegisteredSchema:
        """The version that writers use; raises `SetupError` when the subject has none."""

    def id_of(self, subject: str) -> int:
        """The id that writers use for the subject."""
