"""Reads and writes the values of one topic: wire format, schema, limits. No value can hang it or crash it.

A value is 0x00, the schema id (int32, big-endian) and the Avro body; 0x01 and the schema's GUID (16 bytes) is read too.
"""

import contextlib
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID

import msgspec
from fastavro import parse_schema, schemaless_writer
from fastavro.schema import SchemaParseException

from app.domain.events import Event
from app.errors import PoisonError
from app.serde.decoder import Decode, DecoderName, decoder_in_use, event_decoder
from app.serde.errors import InvalidEventError, MalformedValueError, UnsafeSchemaError, WrongTopicError
from app.serde.limits import limits_of
from app.serde.registry import RegisteredSchema, SchemaRegistry
from app.serde.topics import EVENT_TYPES, full_name, subject_of

MAX_VALUE_BYTES = 1024 * 1024
_ID_HEADER, _GUID_HEADER = 5, 17


class EventCodec:
    """The codec of one topic. `decode` raises nothing but `PoisonError`s and `RegistryUnavailableError`."""

    def __init__(self, registry: SchemaRegistry, topic: str, decoder: DecoderName) -> None:
        self._registry, self._topic, self._decoder_name = registry, topic, decoder
        self._types = {full_name(event_type): event_type for event_type in EVENT_TYPES[topic]}
        self._decoders: dict[bytes, Decode] = {}
        self._encoders: dict[type[Event], Callable[[Event], bytes]] = {}

    def decode(self, value: bytes | None) -> Event:
        """The event in this value; the newest type whatever version wrote it."""
        if not value or len(value) > MAX_VALUE_BYTES:
            raise MalformedValueError(f"an event has 1 to {MAX_VALUE_BYTES} bytes, not {len(value or b'')}")
        decoder = self._decoders.get(value[:_ID_HEADER])  # the header of a GUID is longer, and never found so
        return (decoder or self._decoder_of(value))(value)

    def _decoder_of(self, value: bytes) -> Decode:
        header = _header(value)
        if header not in self._decoders:
            self._decoders[header] = self._decoder(header)
        return self._decoders[header]

    def prepare(self, value: bytes | None) -> None:
        """Raises a `RegistryUnavailableError` while the registry has not said what schema wrote this value."""
        if value:
            with contextlib.suppress(PoisonError):
                self._decoder_of(value)

    def encode(self, event: Event) -> bytes:
        """The value of this event, by the newest schema; `InvalidEventError` for what `decode` would refuse."""
        encoder = self._encoders.get(type(event))
        if encoder is None:
            encoder = self._encoders[type(event)] = self._encoder(type(event))
        return encoder(event)

    def key(self, event: Event) -> bytes:
        """The key that a record of this event has."""
        return event.order_id.encode()

    def _decoder(self, header: bytes) -> Decode:
        written = self._registry.schema(_schema_id(header))
        writer = parsed_schema(_plain(written.schema))
        event_type = self._types.get(writer["name"])
        if event_type is None:
            raise WrongTopicError(f"{writer['name']} does not belong to {self._topic}; send it to its own topic")
        newest = self._registry.newest(subject_of(event_type))  # whatever subject its writer has registered it under
        reader = None if newest.id == written.id else parsed_schema(_plain(newest.schema))
        return event_decoder(self._decoder_name, writer, reader, event_type, len(header))

    def _encoder(self, event_type: type[Event]) -> Callable[[Event], bytes]:
        if event_type not in EVENT_TYPES[self._topic]:
            raise WrongTopicError(f"{event_type.__name__} does not belong to {self._topic}; encode it by its own codec")
        return _encoder(self._registry.newest(subject_of(event_type)), event_type)


def _header(value: bytes) -> bytes:
    return value[: _GUID_HEADER if value[0] == 1 else _ID_HEADER]


def event_codec(registry: SchemaRegistry, topic: str, decoder: DecoderName | None = None) -> EventCodec:
    """The codec of a topic of `app.serde.topics`, with the decoder in use or the one that is asked for."""
    return EventCodec(registry, topic, decoder or decoder_in_use())


def parsed_schema(schema: dict[str, Any]) -> Any:
    """The schema as fastavro reads it; an `UnsafeSchemaError` for one that is no Avro."""
    try:
        return parse_schema(schema)
    except (SchemaParseException, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UnsafeSchemaError(f"schema {schema.get('name')} is no valid Avro: {error!r}; mend its .avsc") from None


def _encoder(registered: RegisteredSchema, event_type: type[Event]) -> Callable[[Event], bytes]:
    parsed, limits = parsed_schema(_plain(registered.schema)), limits_of(event_type)
    header = struct.pack(">bi", 0, registered.id)

    def encode(event: Event) -> bytes:
        fields = msgspec.to_builtins(event)
        try:
            msgspec.convert(fields, event_type)
        except msgspec.ValidationError as error:
            raise InvalidEventError(f"{event_type.__name__}: {error}; mend the rule that makes it") from None
        limits.check(event)
        limits.check_sealed(event)
        body = BytesIO()
        body.write(header)
        schemaless_writer(body, parsed, fields)
        return body.getvalue()

    return encode


def _schema_id(header: bytes) -> int | UUID:
    if header[0] == 0 and len(header) == _ID_HEADER:
        return int.from_bytes(header[1:], "big", signed=True)
    if header[0] == 1 and len(header) == _GUID_HEADER:
        return UUID(bytes=header[1:])
    raise MalformedValueError(f"a value begins with 0x00 and an id or 0x01 and a GUID, not {header.hex()}")


def _plain(schema: Any) -> Any:
    """Without logical types: times stay integers, as the events hold them."""
    if isinstance(schema, dict):
        plain = {key: _plain(part) for key, part in schema.items() if key != "logicalType"}
        return plain["type"] if plain.keys() == {"type"} else plain
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    return schema
