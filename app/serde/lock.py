"""The committed registry: the `.avsc` files under `schemas/` and the lock that fixes their ids. Needs no server."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from app.errors import SetupError
from app.serde.errors import UnknownSchemaError
from app.serde.registry import RegisteredSchema

DIRECTORY = Path(__file__).resolve().parents[2] / "schemas"
LOCK = "ids.lock"


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the lock. `sha256` is that of the schema's canonical form: formatting may change, nothing else."""

    subject: str
    version: int
    file: str
    guid: UUID
    sha256: str


class CommittedRegistry:
    """A `SchemaRegistry` that always answers, from what is committed."""

    def __init__(self, schemas: Iterable[RegisteredSchema]) -> None:
        self._by_id: dict[int | UUID, RegisteredSchema] = {}
        self._newest: dict[str, RegisteredSchema] = {}
        for schema in sorted(schemas, key=lambda schema: schema.version):
            self._by_id[schema.id] = self._by_id[schema.guid] = schema
            self._newest[schema.subject] = schema

    def schemas(self) -> list[RegisteredSchema]:
        """All of them, in the order of their ids."""
        return sorted({schema.id: schema for schema in self._by_id.values()}.values(), key=lambda schema: schema.id)

    def schema(self, schema_id: int | UUID) -> RegisteredSchema:
        found = self._by_id.get(schema_id)
        if found is None:
            raise UnknownSchemaError(f"schema {schema_id} is unknown; add it to schemas/, lock it, then redrive")
        return found

    def newest(self, subject: str) -> RegisteredSchema:
        found = self._newest.get(subject)
        if found is None:
            raise SetupError(f"subject {subject} has no schema; add its .avsc and run `orderflow schemas lock`")
        return found

    def id_of(self, subject: str) -> int:
        return self.newest(subject).id


@cache
def committed_registry() -> CommittedRegistry:
    """The registry of this installation; a `SetupError` names a file that is not as it was locked."""
    return load_registry(DIRECTORY)


def load_registry(directory: Path) -> CommittedRegistry:
    return CommittedRegistry(_checked(directory, number, locked) for number, locked in read_lock(directory).items())


def read_lock(directory: Path) -> dict[int, Locked]:
    """The lines of the lock by schema id; none where there is no lock yet."""
    path = directory / LOCK
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[int, Locked])
    except msgspec.MsgspecError as error:
        raise SetupError(f"{path} cannot be read: {error}; restore it from version control") from None


def write_lock(directory: Path, lock: dict[int, Locked]) -> None:
    lines = {str(number): msgspec.to_builtins(locked) for number, locked in sorted(lock.items())}
    (directory / LOCK).write_text(json.dumps(lines, indent=2) + "\n")


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON of one `.avsc`; its root must be a record."""
    try:
        schema = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}; restore it from version control") from None
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise SetupError(f"{path} holds no record; an event's schema is a record")
    return schema


def canonical(schema: object) -> str:
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(schema: object) -> str:
    return hashlib.sha256(canonical(schema).encode()).hexdigest()


def guid_of(subject: str, schema: object) -> UUID:
    return uuid5(NAMESPACE_URL, f"orderflow:{subject}:{digest(schema)}")


def _checked(directory: Path, number: int, locked: Locked) -> RegisteredSchema:
    schema = read_schema(directory / locked.file)
    if digest(schema) != locked.sha256:
        raise SetupError(f"{locked.file} was changed after it was locked; restore it and add a new version instead")
    return RegisteredSchema(id=number, guid=locked.guid, subject=locked.subject, version=locked.version, schema=schema)
