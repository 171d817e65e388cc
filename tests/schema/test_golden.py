"""The bytes of every committed schema version stay readable and, for the newest, exactly as they are."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.serde.codec import event_codec
from app.serde.lock import DIRECTORY, Locked, committed_registry, read_lock
from app.serde.topics import EVENT_TYPES, full_name, subject_of, topic_of
from tests.schema.sample_events import SAMPLES

GOLDEN = Path(__file__).parent / "golden"
TYPES = {full_name(event_type): event_type for types in EVENT_TYPES.values() for event_type in types}


def golden(locked: Locked) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / locked.file).with_suffix(".json").read_text())
    return content


def test_every_version_has_bytes_that_it_wrote() -> None:
    """Red? Encode a sample by the new version, and commit bytes and event as `golden/<file>.json`: for ever."""
    written = {path.name: json.loads(path.read_text())["value"] for path in GOLDEN.iterdir()}
    ids = {Path(locked.file).with_suffix(".json").name: number for number, locked in read_lock(DIRECTORY).items()}
    assert {name: value[:10] for name, value in written.items()} == {name: f"{ids[name]:010x}" for name in ids}


@pytest.mark.parametrize("locked", read_lock(DIRECTORY).values(), ids=lambda locked: locked.file)
def test_the_bytes_of_every_version_decode_to_the_same_event(locked: Locked) -> None:
    event_type = TYPES[locked.subject.partition("-")[2]]
    written = golden(locked)
    event = event_codec(committed_registry(), topic_of(event_type)).decode(bytes.fromhex(written["value"]))
    assert event == msgspec.convert(written["event"], event_type)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_is_written_to_the_same_bytes_as_ever(event: Any) -> None:
    written = golden(read_lock(DIRECTORY)[committed_registry().id_of(subject_of(type(event)))])
    assert msgspec.convert(written["event"], type(event)) == event
    assert event_codec(committed_registry(), topic_of(type(event))).encode(event).hex() == written["value"]


def test_every_event_type_has_a_sample() -> None:
    assert {type(event) for event in SAMPLES} == set(TYPES.values())
