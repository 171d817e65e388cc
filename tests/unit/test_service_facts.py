"""What each of payments, inventory and shipping asks for and tells."""

from app.domain import calls, inventory, payments, shipping
from app.domain.events import (
    DeliveryScheduled,
    Item,
    ItemAdded,
    OrderCancelled,
    OrderCreated,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    StockRejected,
    StockReserved,
)
from app.domain.step import caused_id
from tests.unit.order_events import CUSTOMER_ID, NOW, ORDER_ID, event

PLUM = Item(sku="plum", quantity=3, unit_price_minor=20)
ADDED = event(ItemAdded, 2, item=PLUM)


def test_each_version_is_charged_what_it_added() -> None:
    created = event(OrderCreated, 1, items=(PLUM, PLUM))
    assert payments.begin(None, created, NOW).call == charge(1, 120)
    assert payments.begin(None, ADDED, NOW).call == charge(2, 60)


def charge(order_version: int, amount_minor: int) -> calls.Charge:
    return calls.Charge(
        order_id=ORDER_ID,
        order_version=order_version,
        customer_id=CUSTOMER_ID,
        currency="GBP",
        amount_minor=amount_minor,
    )


def test_a_completed_payment_carries_what_the_next_service_needs() -> None:
    (completed,) = payments.conclude(None, ADDED, charge(2, 60), calls.Charged("payment-1"), NOW).events
    assert completed == PaymentCompleted(
        event_id=caused_id(ADDED.event_id, "PaymentCompleted-2"),
        order_id=ORDER_ID,
        version=1,
        occurred_at=NOW,
        correlation_id=ADDED.correlation_id,
        causation_id=ADDED.event_id,
        order_version=2,
        customer_id=CUSTOMER_ID,
        currency="GBP",
        amount_minor=60,
        items=(PLUM,),
        fulfilment="choreography",
    )


def test_a_refused_payment_names_the_reason_and_the_amount() -> None:
    (failed,) = payments.conclude(None, ADDED, charge(2, 60), calls.Refused("card expired"), NOW).events
    assert isinstance(failed, PaymentFailed)
    assert (failed.reason, failed.amount_minor, failed.order_version) == ("card expired", 60, 2)


def test_only_completed_payments_are_announced_as_refunded_in_order_of_their_versions() -> None:
    row = payments.PaymentRow(orders=3, emitted=2, held=(1, 3), unknown=(2,), waits=1)
    cancel = event(OrderCancelled, 4)
    call = calls.VoidCharges(order_id=ORDER_ID, order_versions=(1, 2, 3))
    refunds = calls.Refunds(tuple(calls.Refund(version, "GBP", 10 * version) for version in (3, 1, 2)))
    step = payments.conclude(row, cancel, call, refunds, NOW)
    told = [(e.version, e.order_version, e.amount_minor) for e in step.events if isinstance(e, PaymentRefunded)]
    assert told == [(3, 1, 10), (4, 3, 30)]
    assert step.row == payments.PaymentRow(orders=4, emitted=4, cancelled=True)


def test_a_paid_version_has_its_lines_reserved_all_or_none() -> None:
    paid = event(PaymentCompleted, 1, order_version=2, items=(PLUM, PLUM))
    call = calls.Reserve(order_id=ORDER_ID, order_version=2, items=(PLUM, PLUM))
    assert inventory.begin(None, paid, NOW).call == call
    (reserved,) = inventory.conclude(None, paid, call, calls.Reserved(), NOW).events
    assert isinstance(reserved, StockReserved)
    assert (reserved.order_version, reserved.items, reserved.customer_id) == (2, (PLUM, PLUM), CUSTOMER_ID)


def test_rejected_stock_names_the_product_that_is_short() -> None:
    paid = event(PaymentCompleted, 1)
    call = calls.Reserve(order_id=ORDER_ID, order_version=1, items=paid.items)
    (rejected,) = inventory.conclude(None, paid, call, calls.Refused("out of stock", sku="plum"), NOW).events
    assert isinstance(rejected, StockRejected)
    assert (rejected.sku, rejected.reason) == ("plum", "out of stock")


def test_failed_payments_reserve_nothing() -> None:
    step = inventory.begin(None, event(PaymentFailed, 1), NOW)
    assert (step.call, step.events) == (None, ())


def test_one_delivery_is_scheduled_for_the_first_reserved_version() -> None:
    first, second = event(StockReserved, 1, order_version=2), event(StockReserved, 2, order_version=3)
    call = calls.Schedule(order_id=ORDER_ID, order_version=2, customer_id=CUSTOMER_ID)
    assert shipping.begin(None, first, NOW).call == call
    step = shipping.conclude(None, first, call, calls.Scheduled("delivery-9"), NOW)
    (scheduled,) = step.events
    assert isinstance(scheduled, DeliveryScheduled)
    assert (scheduled.delivery_id, scheduled.order_version) == ("delivery-9", 2)
    assert shipping.begin(step.row, second, NOW).call is None


def test_rejected_stock_schedules_nothing() -> None:
    step = shipping.begin(None, event(StockRejected, 1), NOW)
    assert (step.call, step.events) == (None, ())


def test_versions_without_an_answer_are_undone_together() -> None:
    first = payments.exhausted(None, event(OrderCreated, 1), charge(1, 300), NOW)
    second = payments.exhausted(first.row, ADDED, charge(2, 60), NOW)
    call = calls.VoidCharges(order_id=ORDER_ID, order_versions=(1, 2))
    assert payments.begin(second.row, second.timers[0], NOW).call == call
