"""Letters, groups and campaigns as people and programs see them: plain values, ready for JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.deadletters import keys
from app.deadletters.audit import Act, Note
from app.deadletters.reading import Entry, FailureCount, Trip
from app.errors import PoisonError
from app.serde.codec import event_codec
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES
from app.streaming.letters import Letter


def summary(entry: Entry) -> dict[str, Any]:
    """One letter, in short."""
    return {
        "id": entry.id,
        "state": entry.state,
        "failure": entry.failure,
        "group": entry.consumer_group,
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
        "key": keys.shown(entry.key),
        "schema": entry.schema,
        "reason": entry.reason,
        "attempt": entry.attempt,
        "redrives": entry.redrives,
        "exception": entry.exception,
        "message": entry.message,
        "timestamp": moment(entry.dead_at_ms),
        "behind": entry.head,
        "sequence": entry.sequence,
    }


def story(entry: Entry, trips: Sequence[Trip]) -> dict[str, Any]:
    """One letter, in short, with its times."""
    return summary(entry) | {"attempts": attempts(entry), "sent": [trip(one) for one in trips]}


def envelope(
    entry: Entry, letter: Letter, trips: Sequence[Trip], notes: Sequence[Note], registry: SchemaRegistry
) -> dict[str, Any]:
    """One letter, whole."""
    return story(entry, trips) | {
        "original_event": event(registry, letter.topic, letter.value),
        "headers": [(name, text(value)) for name, value in letter.headers],  # a name may be there twice
        "error": {"message": letter.message, "stack": letter.stack},
        "first_failed_at": moment(letter.first_failed_at_ms),
        "previous": letter.previous,
        "edited_from": letter.edited_from,
        "notes": [note(one) for one in notes],
    }


def event(registry: SchemaRegistry, topic: str, value: bytes | None) -> Any:
    """The decoded event with its type, or the value's bytes as hex."""
    if topic in EVENT_TYPES:
        try:
            found = event_codec(registry, topic).decode(value)
        except PoisonError:
            pass
        else:
            return {"type": type(found).__name__, **msgspec.to_builtins(found)}
    return None if value is None else {"hex": value.hex()}


def attempts(entry: Entry) -> list[dict[str, Any]]:
    """Those whose time a letter tells: the first one and the last one."""
    first = {"attempt": 1, "at": moment(entry.first_failed_at_ms)}
    last = {"attempt": entry.attempt, "at": moment(entry.dead_at_ms)}
    return [first, last] if entry.attempt > 1 else [last]


def trip(one: Trip) -> dict[str, Any]:
    result_at = None if one.result_at_ms is None else moment(one.result_at_ms)
    return {"run": one.run, "action": one.action, "at": moment(one.at_ms), "result": one.result, "result_at": result_at}


def note(one: Note) -> dict[str, Any]:
    return {"at": instant(one.at), "about": one.about, "who": one.who, "text": one.text}


def failure(count: FailureCount) -> dict[str, Any]:
    """One group of letters."""
    return {
        "id": count.id,
        "group": count.consumer_group,
        "topic": count.topic,
        "schema": count.schema,
        "exception": count.exception,
        "message": count.message,
        "stack": count.stack,
        "dead": count.dead,
        "redriving": count.redriving,
        "resolved": count.resolved,
        "discarded": count.discarded,
        "replaced": count.replaced,
        "first": moment(count.first_ms),
        "last": moment(count.last_ms),
        "notes": count.notes,
    }


def text(value: bytes | None) -> str | None:
    """As UTF-8 where it is that, else as hex."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def moment(at_ms: int) -> str:
    return instant(datetime.fromtimestamp(at_ms / 1000, UTC))


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def act(one: Act) -> dict[str, Any]:
    """One row of the audit."""
    return msgspec.structs.asdict(one) | {"at": instant(one.at)}


def line(value: Any) -> str:
    return msgspec.json.encode(value).decode() + "\n"
