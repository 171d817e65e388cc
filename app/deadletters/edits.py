"""A mended payload: a new event that names the old one as its cause, under the same key."""

import difflib
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from app.deadletters.errors import EditRefusedError
from app.deadletters.shown import event as shown_event
from app.domain.events import Event
from app.errors import PoisonError
from app.serde.cloudevents import headers
from app.serde.codec import event_codec
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES
from app.streaming.letters import Letter

CAUSE = "ce_causationid"


def edited(registry: SchemaRegistry, letter: Letter, payload: bytes) -> Letter:
    """The letter with `payload` (JSON, as `show` prints an event) in place of its own.

    Its event id follows from the letter and the payload, so that the same edit is the same event however often it is
    made. `EditRefusedError` for what is no event of the topic, or has another key.
    """
    given = _read(payload)
    old = _event_id(registry, letter)
    same = msgspec.json.encode(given, order="deterministic").decode()
    new_id = str(uuid5(NAMESPACE_URL, f"orderflow:edited:{letter.id}:{same}"))
    event = _event(letter, given | {"event_id": new_id, "causation_id": old})
    codec = event_codec(registry, letter.topic)
    if codec.key(event) != letter.key:
        raise EditRefusedError(f"the event is of order {event.order_id}, and the letter is not; an edit keeps its key")
    try:
        value = codec.encode(event)
    except PoisonError as error:
        raise EditRefusedError(f"the payload is refused: {error}") from error
    ours = [*headers(event), (CAUSE, old.encode())]
    replaced = {name for name, _ in ours}
    kept = [(name, said) for name, said in letter.headers if name not in replaced]
    return msgspec.structs.replace(letter, value=value, headers=[*ours, *kept], edited_from=letter.id, left_out=0)


def difference(registry: SchemaRegistry, letter: Letter, payload: bytes) -> list[str]:
    """What the edit would change, line by line; nothing when it is the same."""
    new = edited(registry, letter, payload)
    before, after = (_lines(registry, letter.topic, one.value) for one in (letter, new))
    return list(difflib.unified_diff(before, after, "letter", "edited", lineterm="", n=1_000))


def _lines(registry: SchemaRegistry, topic: str, value: bytes | None) -> list[str]:
    shown = msgspec.json.encode(shown_event(registry, topic, value))
    return msgspec.json.format(shown, indent=2).decode().splitlines()


def _read(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EditRefusedError(f"the file holds no JSON object: {error}; begin with what `dlq show` prints") from error


def _event(letter: Letter, given: dict[str, Any]) -> Event:
    types = {kind.__name__: kind for kind in EVENT_TYPES.get(letter.topic, ())}
    kind = types.get(str(given.get("type")))
    if kind is None:
        named = ", ".join(types) or "none, its values are no events"
        raise EditRefusedError(f"{given.get('type')} is no type of {letter.topic}; there are {named}")
    fields = {name: value for name, value in given.items() if name != "type"}
    if unknown := set(fields) - set(kind.__struct_fields__):
        raise EditRefusedError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise EditRefusedError(f"no {kind.__name__}: {error}") from error


def _event_id(registry: SchemaRegistry, letter: Letter) -> str:
    """Of the event in the letter; else the one that its headers name, else one made of the letter's place."""
    try:
        return event_codec(registry, letter.topic).decode(letter.value).event_id
    except (PoisonError, KeyError):
        pass
    try:
        return str(UUID((dict(letter.headers).get("ce_id") or b"").decode()))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"orderflow:letter:{letter.id}"))
