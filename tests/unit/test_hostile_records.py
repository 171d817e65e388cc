"""Hostile records are repeatable, each under its own key, and none of them is an event of its topic."""

from contextlib import suppress

import pytest

from app.cli.producing.hostile import LARGEST_EVERY, LARGEST_VALUE_BYTES, HostileRecord, poison, unknown_schemas
from app.domain.events import Event
from app.errors import PoisonError
from app.serde.codec import event_codec
from app.serde.errors import UnknownSchemaError
from app.serde.lock import committed_registry
from app.serde.topics import EVENT_TYPES, ORDERS_EVENTS

TOPICS = pytest.mark.parametrize("topic", EVENT_TYPES)


def event_in(topic: str, record: HostileRecord) -> Event | None:
    with suppress(PoisonError):
        return event_codec(committed_registry(), topic).decode(record.value)
    return None


@TOPICS
def test_no_hostile_record_is_an_event_under_the_key_of_its_order(topic: str) -> None:
    for record in poison(committed_registry(), topic, 7, 600):
        event = event_in(topic, record)
        assert event is None or record.key is None or event.order_id.encode() != record.key


@TOPICS
def test_unknown_schemas_are_unknown(topic: str) -> None:
    for record in unknown_schemas(committed_registry(), topic, 7, 20):
        with pytest.raises(UnknownSchemaError):
            event_codec(committed_registry(), topic).decode(record.value)


def test_the_same_seed_makes_the_same_records() -> None:
    first, second = (list(poison(committed_registry(), ORDERS_EVENTS, 7, 100)) for _ in range(2))
    assert first == second
    assert first != list(poison(committed_registry(), ORDERS_EVENTS, 8, 100))


def test_every_record_with_a_key_has_one_of_its_own_in_all_topics() -> None:
    made = [record for topic in EVENT_TYPES for record in poison(committed_registry(), topic, 7, 100)]
    keys = [record.key for record in made if record.key is not None]
    assert len(set(keys)) == len(keys) > 300


def test_a_few_records_are_as_large_as_the_topic_takes() -> None:
    made = poison(committed_registry(), ORDERS_EVENTS, 7, LARGEST_EVERY)
    sizes = sorted(len(record.value or b"") for record in made)
    assert sizes[-1] == LARGEST_VALUE_BYTES
    assert sizes[-2] < 20_000
