"""Reads dead letters: what a record of a DLQ topic says of the record that failed. The inverse of `failures`."""

import msgspec

from app.streaming.failures import KIP, OURS
from app.streaming.record import Headers, Record


class LetterError(ValueError):
    """A record in a DLQ topic that no worker wrote."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: the record as it first came, and why it is here. `id` names its place in the DLQ topic."""

    id: str
    group: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    attempt: int
    exception: str
    message: str
    stack: str
    first_failed_at_ms: int
    dead_at_ms: int


def letter_id(record: Record) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


def read_letter(record: Record) -> Letter:
    """The letter in a record of a DLQ topic; `LetterError` when no worker wrote it."""
    try:
        count = int(dict(record.headers[-1:])[OURS + "headers"] or b"")
        said = {name: (value or b"").decode(errors="replace") for name, value in record.headers[count:]}
        return Letter(
            id=letter_id(record),
            group=said[OURS + "group"],
            topic=said[KIP + "topic"],
            partition=int(said[KIP + "partition"]),
            offset=int(said[KIP + "offset"]),
            key=record.key,
            value=record.value,
            headers=record.headers[:count],
            reason=said[OURS + "reason"],
            attempt=int(said[OURS + "attempt"]),
            exception=said[KIP + "exception"],
            message=said[KIP + "message"],
            stack=said[KIP + "stacktrace"],
            first_failed_at_ms=int(said[OURS + "first.failed.at"]),
            dead_at_ms=record.timestamp_ms,
        )
    except (KeyError, ValueError) as error:
        raise LetterError(f"{letter_id(record)} is no dead letter of a worker: {error}") from error
