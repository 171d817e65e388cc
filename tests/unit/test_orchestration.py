"""An orchestrated order among all rules: whatever the parties answer and whenever, it ends once, and cleanly."""

import os

import msgspec
from hypothesis import given, settings

from app.domain import fulfilment, orchestration
from app.domain.events import EventVoided, OrderCancelled, OrderConfirmed, PaymentCompleted, PaymentRefunded
from app.domain.orchestrated import OrchestrationRow
from app.domain.step import Step
from app.sagas.instance import Failure
from tests.unit.choreography import Choreography, choreographies, orchestrations
from tests.unit.order_events import ORDER_ID

EXAMPLES = int(os.environ.get("SAGA_SCHEDULES", "400")) // 4
each_orchestration = settings(max_examples=EXAMPLES)


def saga_of(system: Choreography) -> OrchestrationRow:
    row: OrchestrationRow = system.rows[orchestration]
    return row


@given(orchestrations)
@each_orchestration
def test_every_order_ends_exactly_once_and_its_saga_with_it(system: Choreography) -> None:
    standing = [event for event in system.world.store if not isinstance(event, EventVoided)]
    ends = [event for event in standing if isinstance(event, OrderConfirmed | OrderCancelled)]
    assert ends == standing[-1:]
    confirmed = isinstance(ends[0], OrderConfirmed)
    assert saga_of(system).saga.status in (
        {"COMPLETED", "FORWARD_FAILED"} if confirmed else {"COMPENSATED", "COMPENSATION_FAILED"}
    )
    assert system.timers == {}


@given(orchestrations)
@each_orchestration
def test_money_stock_and_delivery_stand_as_the_order_ended_but_for_what_an_operator_was_told_of(
    system: Choreography,
) -> None:
    world, order = system.world, system.world.order
    assert order is not None
    confirmed, told = order.status == "confirmed", {one.step for one in system.failures if isinstance(one, Failure)}
    if "payment" not in told:
        assert world.provider.standing == ({1: order.total_minor} if confirmed else {})
    if "capture" not in told:
        assert world.provider.captured == ({1} if confirmed else set())
    if "stock" not in told:
        assert world.warehouse.standing == ({1: order.items} if confirmed else {})
    if "delivery" not in told:
        assert len(world.carrier.standing) == confirmed


@given(orchestrations)
@each_orchestration
def test_the_choreography_leaves_the_order_alone(system: Choreography) -> None:
    assert not any(isinstance(event, PaymentCompleted | PaymentRefunded) for event in system.topics["payments"])
    assert not system.rows[fulfilment].choreographed


@given(choreographies)
def test_the_orchestration_leaves_a_choreographed_order_alone(system: Choreography) -> None:
    assert orchestration not in system.rows
    assert not any(system.topics[topic] for topic in ("to_payments", "to_inventory", "to_shipping"))


@given(orchestrations)
@each_orchestration
def test_no_answer_and_no_command_is_repeated_and_every_stream_counts_its_versions(system: Choreography) -> None:
    for stream in system.topics.values():
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))
    ids = [event.event_id for stream in system.topics.values() for event in stream]
    assert len(ids) == len(set(ids))
    assert {event.correlation_id for stream in system.topics.values() for event in stream} == {ORDER_ID}
    answers = [type(event) for topic in ("payments", "inventory", "shipping") for event in system.topics[topic]]
    assert len(answers) == len(set(answers))


@given(orchestrations)
@each_orchestration
def test_events_read_once_more_have_no_effect_and_rows_survive_their_encoding(system: Choreography) -> None:
    assert all(step == Step() for step in system.redeliver())
    for row in system.rows.values():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=type(row)) == row
