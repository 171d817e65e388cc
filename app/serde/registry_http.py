"""The registry's HTTP API, which is Confluent's, through Confluent's own client. Every call blocks, within a limit."""

import json
from typing import Any

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from app.errors import SetupError
from app.masking import without_password
from app.serde.errors import RegistryUnavailableError, UnknownSchemaError
from app.serde.lock import guid_of
from app.serde.registry import RegisteredSchema

REQUEST_S = 3.0
SETUP_S = 30.0  # nothing waits behind a registration, and a registry that has just started takes its time
NO_SUCH_SCHEMA = 40403  # other 404s are those of a path, or of a server, that is no registry


class HttpRegistry:
    """The registry at `url`. It asks once: whoever wants to know decides when to ask again.

    It is asked so seldom that no connection is kept.
    """

    def __init__(self, url: str) -> None:
        self._url, self._shown = url, without_password(url)

    def _client(self, limit_s: float) -> SchemaRegistryClient:
        return SchemaRegistryClient({"url": self._url, "timeout": limit_s, "max.retries": 0})

    def fetch(self, schema_id: int) -> RegisteredSchema:
        """The schema with this id. `UnknownSchemaError`: the registry answered that it has no such record;
        `RegistryUnavailableError`: it gave no answer that tells."""
        try:
            with self._client(REQUEST_S) as client:
                record = _record(client.get_schema(schema_id), schema_id)
                versions = client.get_schema_versions(schema_id)
        except SchemaRegistryError as error:
            if error.error_code == NO_SUCH_SCHEMA:
                raise _unknown(schema_id) from None
            raise self._unavailable(schema_id, f"status {error.http_status_code}: {error.error_message}") from error
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise self._unavailable(schema_id, f"{type(error).__name__}: {error}") from error
        if not versions:
            raise _unknown(schema_id)
        subject, version = str(versions[0].subject), int(versions[0].version)
        guid = guid_of(subject, record)
        return RegisteredSchema(id=schema_id, guid=guid, subject=subject, version=version, schema=record)

    def register(self, schema: RegisteredSchema) -> None:
        """Have it there under the same id; a `SetupError` when that is not to be had."""
        try:
            with self._client(SETUP_S) as client:
                number = client.register_schema(schema.subject, Schema(json.dumps(schema.schema), "AVRO"))
        except (SchemaRegistryError, httpx2.HTTPError, OSError) as error:
            raise SetupError(f"{schema.subject} cannot be registered at {self._shown}: {error}; mend that") from error
        if number != schema.id:
            raise SetupError(
                f"{schema.subject} version {schema.version} has id {number} at {self._shown}, but {schema.id} in the "
                "lock and in the topics; use a registry, or a context of one, that holds nothing else"
            )

    def _unavailable(self, schema_id: int, why: str) -> RegistryUnavailableError:
        return RegistryUnavailableError(f"the registry at {self._shown} did not tell of schema {schema_id} ({why})")


def _record(schema: Schema, schema_id: int) -> dict[str, Any]:
    """Its JSON, when it is that of an Avro record; no topic of ours has values of anything else."""
    try:
        record = json.loads(schema.schema_str or "")
    except ValueError:
        record = None
    if schema.schema_type != "AVRO" or not isinstance(record, dict) or record.get("type") != "record":
        raise UnknownSchemaError(f"schema {schema_id} is no Avro record; register one, then redrive")
    return record


def _unknown(schema_id: int) -> UnknownSchemaError:
    return UnknownSchemaError(f"the registry has no schema {schema_id}; register it, then redrive")
