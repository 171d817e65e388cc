"""Reads dead letters and what became of them: the records of a DLQ topic. Sends letters back to processing."""

from typing import Literal, TypeAlias

import msgspec

from app.streaming.failures import KIP, OURS, Redrive, engine_headers, redrive_texts, texts
from app.streaming.names import dlq_topic, redrive_topic
from app.streaming.record import Headers, Output, Record

Handling: TypeAlias = Literal["redrive", "discard"]
Result: TypeAlias = Literal["resolved", "discarded", "dead", "returned"]


class LetterError(ValueError):
    """A record in a DLQ topic that no worker wrote."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: the record as it first came, and why it is here. `id` names its place in the DLQ topic.

    `previous` and `run`: it died again after a redrive of that letter. `sequence` and `head`: it did not fail, it is
    the so many-th record, from 1, behind the one (TOPIC:PARTITION:OFFSET) with which the blocking of its key began;
    letters of one key and head are taken back in this sequence only. `left_out`: so many bytes did not fit in here.
    """

    id: str
    group: str
    topic: str
    partition: int
    offset: int
    original_timestamp_ms: int
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
    redrives: int = 0
    previous: str | None = None
    run: str | None = None
    edited_from: str | None = None
    sequence: int | None = None
    head: str | None = None
    left_out: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a letter that was sent back, as its task committed it together with the effects.

    `dead`: it failed again, and another letter names it as its previous one. `returned`: it was not its turn, nothing
    was done, and it can be sent again. `id` is the outcome's own place.
    """

    id: str
    letter: str
    result: Result
    run: str
    at_ms: int
    key: bytes | None
    group: str


def letter_id(record: Record) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


def read_letter_topic(record: Record) -> Letter | Outcome:
    """What a record of a DLQ topic says; `LetterError` when no worker wrote it."""
    is_outcome = [name for name, _ in record.headers[:1]] == [OURS + "outcome"]
    ends_as_letter = [name for name, _ in record.headers[-1:]] == [OURS + "headers"]
    return _read_outcome(record) if is_outcome and not ends_as_letter else read_letter(record)


def read_letter(record: Record) -> Letter:
    """The letter in a record of a DLQ topic; `LetterError` when it is none that a worker wrote."""
    try:
        count, said = engine_headers(record)
        sequence = said.get(OURS + "sequence")
        return Letter(
            id=letter_id(record),
            group=said[OURS + "group"],
            topic=said[KIP + "topic"],
            partition=int(said[KIP + "partition"]),
            offset=int(said[KIP + "offset"]),
            original_timestamp_ms=int(said.get(OURS + "timestamp", record.timestamp_ms)),
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
            redrives=int(said.get(OURS + "redrives", 0)),
            previous=said.get(OURS + "previous"),
            run=said.get(OURS + "run"),
            edited_from=said.get(OURS + "edited.from"),
            sequence=None if sequence is None else int(sequence),
            head=said.get(OURS + "head"),
            left_out=int(said.get(OURS + "left.out", 0)),
        )
    except (KeyError, ValueError) as error:
        raise LetterError(f"{letter_id(record)} is no dead letter of a worker: {error}") from error


def redrive_output(letter: Letter, action: Handling, run: str) -> Output:
    """The letter on its way back to its task, which handles its record or drops it. For a payload that was edited, give
    the letter with the new value and with `edited_from`."""
    ours = {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp": letter.original_timestamp_ms,
        "attempt": 1,
        "first.failed.at": letter.first_failed_at_ms,
        "action": action,
        **redrive_texts(Redrive(letter.id, run, letter.redrives, letter.edited_from)),
        **({} if letter.sequence is None else {"sequence": letter.sequence, "head": letter.head}),
        "headers": len(letter.headers),
    }
    partition = int(letter.id.rsplit(":", 2)[1])
    headers = [*letter.headers, *texts(OURS, ours)]
    return Output(redrive_topic(letter.group), letter.key, letter.value, headers, partition)


def outcome_output(
    group: str, redrive: Redrive, result: Result, key: bytes | None, partition: int, now_ms: int
) -> Output:
    """What became of the letter that was redriven, on its way to where the letter stands."""
    said = {"outcome": result, "letter": redrive.letter, "run": redrive.run, "group": group}
    return Output(dlq_topic(group), key, None, texts(OURS, {**said}), partition, now_ms)


def _read_outcome(record: Record) -> Outcome:
    said = {name.removeprefix(OURS): (value or b"").decode(errors="replace") for name, value in record.headers}
    told = {"id": letter_id(record), "at_ms": record.timestamp_ms, "key": record.key, "result": said["outcome"]}
    try:
        return msgspec.convert({**said, **told}, Outcome)
    except msgspec.ValidationError as error:
        raise LetterError(f"{letter_id(record)} is no outcome that a worker wrote: {error}") from error
