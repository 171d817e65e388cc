"""How the body of a value becomes an event: by the compiled decoder where it was built, else by fastavro.

fastavro is the reference. The compiled decoder gives the same events, and leaves every value that it refuses to it: so
an event, or the error that is raised, never depends on which is in use.
"""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any, Literal, TypeAlias

import msgspec
from fastavro import schemaless_reader
from fastavro.read import SchemaResolutionError

from app.domain.events import Event
from app.domain.fields import MAX_ITEMS
from app.optional import form_in_use
from app.serde.errors import InvalidEventError, MalformedValueError
from app.serde.limits import limits_of
from app.serde.shape import ITEM_BYTES, scan, shape_of

try:
    from app.serde.compiled import events as compiled_events
    from app.serde.compiled import resolution as compiled_values
except ImportError:  # no C compiler was at hand when the product was installed
    AVAILABLE: "tuple[DecoderName, ...]" = ("fastavro",)
else:
    AVAILABLE = ("compiled", "fastavro")

# all that fastavro raises on bytes that are not a body of the schema
UNREADABLE = (EOFError, ValueError, LookupError, OverflowError, TypeError, struct.error, SchemaResolutionError)

DecoderName: TypeAlias = Literal["compiled", "fastavro"]
Read: TypeAlias = Callable[[bytes], Any]
Decode: TypeAlias = Callable[[bytes], Event]

VARIABLE = "ORDERFLOW_DECODER"
# fewer bytes cannot hold more items than an event may have, so only larger values are scanned before decoding
SCANNED_FROM_BYTES = MAX_ITEMS * ITEM_BYTES


def decoder_in_use() -> DecoderName:
    """The faster one that is there, or the one that `ORDERFLOW_DECODER` asks for; a `SetupError` when it is not."""
    return form_in_use(VARIABLE, AVAILABLE)


def event_decoder(name: DecoderName, writer: Any, reader: Any, event_type: type[Event], start: int) -> Decode:
    """Decodes values whose body was written by one schema, as another reads it (None: the same), from `start` on.

    An `UnsafeSchemaError` refuses a schema whose values cannot be decoded within bounds.
    """
    read = _by_fastavro(writer, reader, event_type.__name__, start)
    reference = _checked(read, event_type)
    if name == "fastavro":
        return reference
    decode = compiled_events.event_decoder(writer, reader, event_type, start, reference)
    return decode or _checked(_compiled(writer, reader, start, read), event_type)


def _by_fastavro(writer: Any, reader: Any, name: str, start: int) -> Read:
    shape = shape_of(writer)

    def read(value: bytes) -> Any:
        if len(value) > SCANNED_FROM_BYTES:
            scan(shape, value, start, MAX_ITEMS)
        body = BytesIO(value)
        body.seek(start)
        try:
            fields = schemaless_reader(body, writer, reader)
        except UNREADABLE as error:
            raise MalformedValueError(f"no {name}: {type(error).__name__} {error}; mend its producer") from None
        if body.tell() != len(value):
            raise MalformedValueError(f"{len(value) - body.tell()} bytes follow a {name}; mend its producer")
        return fields

    return read


def _compiled(writer: Any, reader: Any, start: int, reference: Read) -> Read:
    decode = compiled_values.decoder(writer, reader).decode

    def read(value: bytes) -> Any:
        try:
            return decode(value, start)
        except MalformedValueError:
            return reference(value)

    return read


def _checked(read: Read, event_type: type[Event]) -> Decode:
    limits, name = limits_of(event_type), event_type.__name__

    def decode(value: bytes) -> Event:
        fields = read(value)
        try:
            event = msgspec.convert(fields, event_type)
        except msgspec.ValidationError as error:
            raise InvalidEventError(f"{name}: {error}; mend its producer") from None
        limits.check(event)
        return event

    return decode
