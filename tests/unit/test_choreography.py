"""The four services together: whatever the parties answer and whenever, an order ends once, and cleanly."""

import msgspec
from hypothesis import given

from app.domain.events import EventVoided, OrderCancelled, OrderConfirmed
from app.domain.step import Step
from tests.unit.choreography import Choreography, choreographies, standing
from tests.unit.order_events import ORDER_ID


@given(choreographies)
def test_every_order_ends_exactly_once(system: Choreography) -> None:
    standing = [event for event in system.world.store if not isinstance(event, EventVoided)]
    ends = [event for event in standing if isinstance(event, OrderConfirmed | OrderCancelled)]
    assert ends == standing[-1:]


@given(choreographies)
def test_money_stock_and_delivery_stand_as_the_order_ended(system: Choreography) -> None:
    world, order = system.world, system.world.order
    assert order is not None
    confirmed = order.status == "confirmed"
    assert sum(world.provider.standing.values()) == (order.total_minor if confirmed else 0)
    reserved = [line for version in sorted(world.warehouse.standing) for line in world.warehouse.standing[version]]
    assert reserved == (list(order.items) if confirmed else [])
    assert len(world.carrier.standing) == confirmed


@given(choreographies)
def test_events_tell_what_stands_outside(system: Choreography) -> None:
    world = system.world
    assert standing(system.topics["payments"]) == set(world.provider.standing)
    assert standing(system.topics["inventory"]) == set(world.warehouse.standing)
    assert standing(system.topics["shipping"]) == set(world.carrier.standing)


@given(choreographies)
def test_every_stream_counts_its_versions_from_one_and_repeats_no_id(system: Choreography) -> None:
    for stream in system.topics.values():
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))
    ids = [event.event_id for stream in system.topics.values() for event in stream]
    assert len(ids) == len(set(ids))
    assert {event.correlation_id for stream in system.topics.values() for event in stream} == {ORDER_ID}


@given(choreographies)
def test_events_read_once_more_have_no_effect(system: Choreography) -> None:
    assert all(step == Step() for step in system.redeliver())


@given(choreographies)
def test_rows_survive_their_encoding_and_hold_nothing_unknown(system: Choreography) -> None:
    for row in system.rows.values():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=type(row)) == row
        assert not getattr(row, "unknown", ())
