"""One order through the whole system, by every way it can take."""

from collections.abc import Iterator
from random import Random
from uuid import UUID, uuid5

import pytest

from app.domain import calls
from app.domain.orders import OrderEndedError
from app.serde.topics import EVENT_TYPES
from app.streaming.record import Record
from tests.topology.checking import decoded, differences
from tests.topology.system import APPLE, PEAR, SCARCE, System

# of an order with two items: in turn, and in a seeded order of delivery
STEPS, SEEDED_STEPS = 36, 60
MOMENTS = [(None, steps) for steps in range(STEPS)] + [(1, steps) for steps in range(SEEDED_STEPS)]
CREATED, PAID, RESERVED, SCHEDULED = "OrderCreated", "PaymentCompleted", "StockReserved", "DeliveryScheduled"
REFUNDED, RELEASED, UNSCHEDULED = "PaymentRefunded", "StockReleased", "DeliveryCancelled"


@pytest.fixture
def system() -> Iterator[System]:
    with System() as system:
        yield system


def told(system: System, *topics: str) -> list[str]:
    """The types of the events in these topics (or in all), topic by topic."""
    return [decoded(record)["type"] for record in system.published(*(topics or EVENT_TYPES))]


def test_an_order_is_charged_reserved_scheduled_and_confirmed(system: System) -> None:
    order_id = system.place(APPLE, PEAR)
    system.settle()
    assert told(system) == [CREATED, "OrderConfirmed", PAID, RESERVED, SCHEDULED]
    assert system.order(order_id).status == "confirmed"
    assert differences(system) == []


@pytest.mark.parametrize(
    ("customer_id", "item", "reason", "answers"),
    [
        ("refuse-payment-1", APPLE, "payment failed: refused-customer", ["PaymentFailed"]),
        ("customer-1", SCARCE, "stock rejected: out-of-stock", [PAID, REFUNDED, "StockRejected"]),
        (
            "refuse-delivery-1",
            APPLE,
            "delivery rejected: refused-customer",
            [PAID, REFUNDED, RESERVED, RELEASED, "DeliveryRejected"],
        ),
    ],
    ids=["payment", "stock", "delivery"],
)
def test_a_refusal_cancels_the_order_and_undoes_what_was_done(
    system: System, customer_id: str, item: object, reason: str, answers: list[str]
) -> None:
    order_id = system.place(item, customer_id=customer_id)  # type: ignore[arg-type]  # items, by the table above
    system.settle()
    assert told(system) == [CREATED, "OrderCancelled", *answers]
    assert (system.order(order_id).status, system.order(order_id).reason) == ("cancelled", reason)
    assert differences(system) == []


def test_a_refused_item_takes_the_whole_order_with_it(system: System) -> None:
    order_id = system.place(APPLE)
    system.add(order_id, SCARCE)
    system.settle()
    assert told(system, "payments.events") == [PAID, PAID, REFUNDED, REFUNDED]
    assert told(system, "inventory.events") == [RESERVED, "StockRejected", RELEASED]
    assert told(system, "shipping.events") == [SCHEDULED, UNSCHEDULED]
    assert differences(system) == []


@pytest.mark.parametrize("steps", range(STEPS))
def test_an_item_added_while_pending_is_charged_on_its_own_and_waited_for(system: System, steps: int) -> None:
    order_id = system.place(APPLE)
    for _ in range(steps):
        system.driver.step()
    try:
        system.add(order_id, PEAR)
        amounts = [APPLE.total_minor, PEAR.total_minor]
    except OrderEndedError:
        amounts = [APPLE.total_minor]
    system.settle()
    charges = system.provider.of(calls.Charge)
    assert [(charge.order_version, charge.amount_minor) for charge in charges] == list(enumerate(amounts, 1))
    assert system.order(order_id).status == "confirmed"
    assert differences(system) == []


@pytest.mark.parametrize(("seed", "steps"), MOMENTS)
def test_a_customer_can_cancel_at_any_moment(seed: int | None, steps: int) -> None:
    """Before the confirmation it undoes everything; after it, it is refused and changes nothing."""
    with System(random=in_order(seed)) as system:
        order_id = system.place(APPLE)
        system.add(order_id, PEAR)
        for _ in range(steps):
            system.driver.step()
        try:
            system.cancel(order_id)
            expected = "cancelled"
        except OrderEndedError:
            expected = "confirmed"
        system.settle()
        assert system.order(order_id).status == expected
        assert differences(system) == []


@pytest.mark.parametrize(("seed", "most"), [(None, STEPS), (1, SEEDED_STEPS)])
def test_these_moments_reach_past_the_last_step(seed: int | None, most: int) -> None:
    with System(random=in_order(seed)) as system:
        order_id = system.place(APPLE)
        system.add(order_id, PEAR)
        steps = 0
        while system.driver.step():
            steps += 1
        assert system.order(order_id).status == "confirmed"
        assert most // 2 < steps < most


def in_order(seed: int | None) -> Random | None:
    return None if seed is None else Random(seed)


@pytest.mark.parametrize(("seed", "steps"), MOMENTS)
def test_a_crash_at_any_moment_changes_nothing(seed: int | None, steps: int) -> None:
    """Every task has done something, and lost it."""
    with System(random=in_order(seed)) as system:
        order_id = system.place(APPLE)
        system.add(order_id, PEAR)
        for _ in range(steps):
            system.driver.step()
        system.driver.crash()
        system.settle()
        assert system.order(order_id).status == "confirmed"
        assert differences(system) == []


def test_every_record_twice_changes_nothing(system: System) -> None:
    """Whether its copy comes at once or when all is done."""
    with System() as other:
        for one in (system, other):
            one.add(one.place(APPLE), SCARCE)
        seen: set[tuple[str, int]] = set()
        while system.driver.step():
            new = [record for record in system.published(*EVENT_TYPES) if (record.topic, record.offset) not in seen]
            seen.update((record.topic, record.offset) for record in new)
            repeat(system, new)
        repeat(system, list(system.published(*EVENT_TYPES)))
        system.settle()
        other.settle()
        assert told(system) == told(other)
        assert [party.calls for party in system.parties] == [party.calls for party in other.parties]
    assert differences(system) == []


def repeat(system: System, records: list[Record]) -> None:
    for record in records:
        system.repeat(record)


def test_views_are_the_same_on_any_number_of_partitions() -> None:
    """Each row lives at the partition of its own key: changes find it through the repartition topics."""
    rows = []
    for partitions in (1, 3):
        with System(partitions=partitions) as system:
            for number in range(1, 9):
                system.place(APPLE, PEAR, number=number, customer_id=f"customer-{number % 3}")
            system.place(SCARCE, number=9)
            system.settle()
            assert differences(system) == []
            tables = ("order_summaries", "customer_orders", "daily_sales", "product_demand")
            rows.append({table: system.driver.rows("order-views", table) for table in tables})
    assert rows[0] == rows[1]


def test_every_event_carries_the_headers_that_its_value_tells(system: System) -> None:
    order_id = system.place(APPLE)
    system.add(order_id, SCARCE)
    system.settle()
    records = list(system.published(*EVENT_TYPES))
    assert len(records) > 8
    for record in records:
        assert_headers(record)


def assert_headers(record: Record) -> None:
    event, headers = decoded(record), {name: (value or b"").decode() for name, value in record.headers}
    service = record.topic.removesuffix(".events")
    assert record.key == event["order_id"].encode()
    assert len(record.headers) == len(headers)
    assert headers.pop("ce_time").endswith("Z")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": event["event_id"],
        "ce_source": f"/orderflow/{service}",
        "ce_type": f"orderflow.{service}.{event['type']}",
        "ce_subject": event["order_id"],
        "content-type": "application/avro",
        "traceparent": f"00-{event['correlation_id'].replace('-', '')}-{event['event_id'].replace('-', '')[16:]}-01",
    }


def test_ids_follow_from_causes_and_the_flow_is_one(system: System) -> None:
    """So a repeated reaction emits the same event, and every event leads back to a command of the customer."""
    order_id = system.place(APPLE)
    system.add(order_id, SCARCE)
    system.settle()
    events = {event["event_id"]: event for event in map(decoded, system.published(*EVENT_TYPES))}
    (correlation_id,) = {event["correlation_id"] for event in events.values()}
    commands = {event["causation_id"] for event in events.values()} - events.keys()
    assert (len(commands), correlation_id in commands) == (2, True)
    for event in events.values():
        name = f"{event['type']}-{event['order_version']}" if "order_version" in event else event["type"]
        assert event["event_id"] == str(uuid5(UUID(event["causation_id"]), name))
