"""Records that a repair has made good are passed by when a view is built again: it is as if they had never been."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.config import Settings
from app.domain.events import Event, EventVoided, ItemAdded, OrderConfirmed, OrderCreated
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.driver import Driver
from app.streaming.letters import Letter, read_letter_topic, redrive_output
from app.streaming.names import dlq_topic
from app.streaming.record import Output, Record, RecordBatch
from tests.unit.order_events import ORDER_ID, event
from topologies import order_views

CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
ORDER: list[Event] = [event(OrderCreated, 1), event(ItemAdded, 2), event(OrderConfirmed, 3)]
OTHER = event(ItemAdded, 2, item=event(OrderCreated, 1).items[0])
CREATED, ITEM, CONFIRMED = (CODEC.encode(each) for each in ORDER)
VOIDED = CODEC.encode(event(EventVoided, 2))


def built(values: Sequence[bytes], void: frozenset[int]) -> tuple[dict[bytes, Any], int]:
    """The rows of the view, and how many letters it has made."""
    views = order_views.build(Settings(), committed_registry())
    views.void = {(ORDERS_EVENTS, 0): void}
    with Driver([views]) as driver:
        for value in values:
            driver.pipe(Output(ORDERS_EVENTS, ORDER_ID.encode(), value))
        driver.run()
        return driver.rows(views.name, "order_summaries"), len(driver.records(dlq_topic(views.group)))


@pytest.mark.parametrize("wrong", [CODEC.encode(OTHER), b"garbage"], ids=["another event", "no event"])
def test_a_view_that_is_built_again_takes_the_repaired_records_alone(wrong: bytes) -> None:
    repaired = [CREATED, wrong, CONFIRMED, ITEM, CONFIRMED]
    expected = built([CREATED, ITEM, CONFIRMED], frozenset())
    assert built(repaired, frozenset({1, 2})) == expected
    assert built(repaired, frozenset()) != expected


@pytest.mark.parametrize("skipped", [ITEM, b"no event"], ids=["wrong", "unreadable"])
def test_a_view_that_is_built_again_passes_the_version_of_a_skipped_event(skipped: bytes) -> None:
    order = built([CREATED, VOIDED, CONFIRMED], frozenset())
    assert built([CREATED, skipped, CONFIRMED, VOIDED, CONFIRMED], frozenset({1, 2})) == order
    [row] = order[0].values()
    assert (row.version, row.status, row.item_count, order[1]) == (3, "confirmed", 2, 0)


def test_a_worker_that_waits_behind_a_skipped_event_goes_on_once_its_letters_are_discarded() -> None:
    """The event itself, and what was published behind it before it was skipped."""
    views = order_views.build(Settings(), committed_registry())
    with Driver([views]) as driver:
        for value in (CREATED, b"no event", CONFIRMED, VOIDED, CONFIRMED):
            driver.pipe(Output(ORDERS_EVENTS, ORDER_ID.encode(), value))
        driver.run()
        discarded: list[bytes | None] = []
        while letters := _letters(driver, views.group)[len(discarded) :]:
            for letter in letters:
                driver.pipe(redrive_output(letter, "discard", "run-1"))
                discarded.append(letter.value)
            driver.run()
        [row] = driver.rows(views.name, "order_summaries").values()
        assert (row.version, row.status, discarded) == (3, "confirmed", [b"no event", CONFIRMED])
        assert driver.rows(views.name, "blocked") == driver.rows(views.name, "parked") == {}


def _letters(driver: Driver, group: str) -> list[Letter]:
    found = [read_letter_topic(record) for record in driver.records(dlq_topic(group))]
    return [letter for letter in found if isinstance(letter, Letter)]


@pytest.mark.parametrize("offsets", [{10, 13}, {11}, {9, 14, 15}, {10, 11, 12, 13}])
def test_a_batch_without_some_records_keeps_its_bounds_and_the_others(offsets: set[int]) -> None:
    records = [Record("t", 0, offset, 0, b"%d" % offset, b"v%d" % offset, ()) for offset in (10, 11, 13)]
    batch = RecordBatch.of("t", 0, 10, 15, records).without(frozenset(offsets))
    left = [record for record in records if record.offset not in offsets]
    assert (batch.begin, batch.end) == (10, 15)
    assert [batch.record(index) for index in range(len(batch))] == left
    assert (batch.keys, batch.values) == ([r.key for r in left], [r.value for r in left])
