"""What a failed record carries to where it goes, and back. Pure: no Kafka, no clock."""

import traceback
from typing import Literal

import msgspec

from app.streaming.errors import RetryRecordError
from app.streaming.names import dlq_topic, retry_topic
from app.streaming.policy import is_portable
from app.streaming.record import RECORD_LIMIT, Headers, Output, Record, size_of

STACK_LIMIT = 8 * 1024
TEXT_LIMIT = 1024
KIP = "__streams.errors."  # KIP-1034
OURS = "__orderflow."


class Redrive(msgspec.Struct, frozen=True, array_like=True):
    """An operator has sent a letter back to processing: `redrives` is how many times that was done with its record
    before. `edited_from` names the letter whose payload was changed on the way, if any was."""

    letter: str
    run: str
    redrives: int
    edited_from: str | None = None


class Attempt(msgspec.Struct, frozen=True):
    """The `number`th handling of a record, from 1; `first_failed_at_ms` is 0 until it has failed. `redrive`: it is on
    its way by a redrive."""

    number: int = 1
    first_failed_at_ms: int = 0
    redrive: Redrive | None = None

    @property
    def redrives(self) -> int:
        """How many times the record was redriven, this time included."""
        return 0 if self.redrive is None else self.redrive.redrives + 1


class Behind(msgspec.Struct, frozen=True):
    """The place of a letter that did not fail: the `sequence`th record, from 1, behind `head`, the record
    (TOPIC:PARTITION:OFFSET) with which the blocking of its key began."""

    sequence: int
    head: str


class Delivery(msgspec.Struct, frozen=True):
    """A record that comes back: its retry is due, or an operator has sent its letter, to be handled or dropped.
    `behind` is the letter's place where it did not fail itself."""

    record: Record
    attempt: Attempt
    action: Literal["retry", "redrive", "discard"] = "retry"
    behind: Behind | None = None


def retry_record(group: str, record: Record, partition: int, attempt: Attempt, delay_ms: int, now_ms: int) -> Output:
    """The record on its way to its next attempt: original headers first, then where it comes from."""
    ours = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "attempt": attempt.number + 1,
        "first.failed.at": attempt.first_failed_at_ms or now_ms,
        **redrive_texts(attempt.redrive),
        "headers": len(record.headers),
    }
    headers = [*record.headers, *texts(OURS, ours)]
    return Output(retry_topic(group, delay_ms), record.key, record.value, headers, partition, now_ms)


def read_delivery(record: Record) -> Delivery:
    """What a retry or redrive record carries: the record as it first came, and what is to be done with it."""
    try:
        count, headers = engine_headers(record)
        ours = {name.removeprefix(OURS): text for name, text in headers.items()}
        first = Record(
            ours["topic"],
            int(ours["partition"]),
            int(ours["offset"]),
            int(ours["timestamp"]),
            record.key,
            record.value,
            record.headers[:count],
        )
        attempt = Attempt(int(ours["attempt"]), int(ours["first.failed.at"]), _redrive(ours))
        behind = Behind(int(ours["sequence"]), ours["head"]) if "sequence" in ours else None
        return msgspec.convert(
            {"record": first, "attempt": attempt, "action": ours.get("action", "retry"), "behind": behind}, Delivery
        )
    except (KeyError, ValueError) as error:
        raise RetryRecordError(
            f"{record.topic}[{record.partition}]@{record.offset} was not written by this group; "
            "only the worker may write to its retry topics, and `orderflow dlq` to its redrive topic"
        ) from error


def _redrive(ours: dict[str, str]) -> Redrive | None:
    if "letter" not in ours:
        return None
    return Redrive(ours["letter"], ours["run"], int(ours["redrives"]), ours.get("edited.from"))


def engine_headers(record: Record) -> tuple[int, dict[str, str]]:
    """How many headers are the original ones, and what the others, which the engine added, say; a `KeyError` or
    `ValueError` where it has added none."""
    count = int(dict(record.headers[-1:])[OURS + "headers"] or b"")
    return count, {name: (value or b"").decode(errors="replace") for name, value in record.headers[count:]}


def redrive_texts(redrive: Redrive | None) -> dict[str, object]:
    """Headers with which a record that is redriven names its letter."""
    if redrive is None:
        return {}
    edited = {} if redrive.edited_from is None else {"edited.from": redrive.edited_from}
    return {"letter": redrive.letter, "run": redrive.run, "redrives": redrive.redrives, **edited}


def dead_letter(
    group: str,
    record: Record,
    partition: int,
    attempt: Attempt,
    error: BaseException,
    reason: str,
    now_ms: int,
    behind: Behind | None = None,
) -> Output:
    """The original key, value and headers, then KIP-1034's six headers and ours.

    Of a record that is not portable it carries what fits; the rest stays where the letter says that it came from.
    """
    carried = record if is_portable(record) else _cut(record)
    # each part is cut, so that a long message leaves room for the frames before it
    stack = "".join([part[:TEXT_LIMIT] for part in traceback.format_exception(error)])
    kip = {
        "exception": f"{type(error).__module__}.{type(error).__qualname__}",
        "stacktrace": _bytes(stack)[-STACK_LIMIT:].decode(errors="ignore"),
        "message": str(error)[:TEXT_LIMIT],
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }
    ours = {
        "reason": reason,
        "attempt": attempt.number,
        "first.failed.at": attempt.first_failed_at_ms or now_ms,
        "timestamp": record.timestamp_ms,
        "group": group,
        "redrives": attempt.redrives,
        **_previous(attempt.redrive),
        **({} if behind is None else {"sequence": behind.sequence, "head": behind.head}),
        **({} if carried is record else {"left.out": size_of(record) - size_of(carried)}),
        "headers": len(carried.headers),  # the last one: it says where the original headers end
    }
    headers = [*carried.headers, *texts(KIP, kip), *texts(OURS, ours)]
    return Output(dlq_topic(group), carried.key, carried.value, headers, partition, now_ms)


def _cut(record: Record) -> Record:
    key = record.key if len(record.key or b"") <= RECORD_LIMIT else None
    return msgspec.structs.replace(record, key=key, value=None, headers=())


def _previous(redrive: Redrive | None) -> dict[str, object]:
    """The letter that was redriven, in the letter of the record that died again."""
    if redrive is None:
        return {}
    edited = {} if redrive.edited_from is None else {"edited.from": redrive.edited_from}
    return {"previous": redrive.letter, "run": redrive.run, **edited}


def texts(prefix: str, values: dict[str, object]) -> Headers:
    """Headers of the engine."""
    return [(prefix + name, _bytes(str(value))) for name, value in values.items()]


def _bytes(text: str) -> bytes:
    """Of any text: what an error says may hold lone surrogates, which UTF-8 does not know."""
    return text.encode(errors="backslashreplace")
