"""Why a value could not be read. `reason` is the word that the dead letter carries."""

from app.errors import PoisonError, SurroundingsError


class MalformedValueError(PoisonError):
    """The bytes are no value in our wire format, or not the body of the schema that they name."""

    reason = "malformed"


class UnknownSchemaError(PoisonError):
    """The registry answered that it has no such schema."""

    reason = "unknown-schema"


class UnsafeSchemaError(PoisonError):
    """The schema is no valid Avro, or its values cannot be decoded within bounds."""

    reason = "unsafe-schema"


class WrongTopicError(PoisonError):
    """The schema is known, but its type does not belong to this topic."""

    reason = "wrong-topic"


class InvalidEventError(PoisonError):
    """The value was decoded, but a field is outside the limits of events."""

    reason = "invalid-event"


class RegistryUnavailableError(SurroundingsError):
    """The registry did not answer: the schema may be known or not."""
