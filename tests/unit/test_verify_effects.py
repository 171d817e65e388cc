"""The check of effects finds each way in which money, stock or a delivery can be wrong."""

from collections.abc import Callable

import msgspec
import pytest

from app.verify.effects import check, check_stock
from app.verify.model import INVENTORY, PAYMENTS, SHIPPING, Case, Effect, Stock
from app.verify.topics import settled_by
from tests.unit.verify_orders import cancelled, charge, compensated, confirmed, effect, event, orchestrated


def kinds(case: Case) -> set[str]:
    return {difference.kind for difference in check(case)}


def changed(done: Effect, **fields: object) -> Effect:
    return msgspec.structs.replace(done, **fields)


@pytest.mark.parametrize("order", [confirmed, cancelled, orchestrated, compensated])
def test_a_clean_order_shows_no_difference(order: Callable[[], Case]) -> None:
    assert kinds(order()) == set()


@pytest.mark.parametrize("order", [confirmed, cancelled])
def test_what_stands_in_place_of_a_skipped_event_is_no_difference(order: Callable[[], Case]) -> None:
    case = order()
    case.stored.append(event(case.order_id, 4, "EventVoided", reason="no event"))
    assert kinds(case) == set()


def test_a_hold_that_was_neither_captured_nor_released_is_found() -> None:
    case = compensated()
    case.charges[0] = changed(case.charges[0], state="held", standing=True)
    assert kinds(case) == {"held", "hold-ledger"}


def test_a_confirmed_order_whose_hold_was_not_captured_is_found() -> None:
    case = orchestrated()
    case.charges[0] = changed(case.charges[0], state="held")
    assert kinds(case) == {"money", "held", "capture-ledger"}


def test_a_capture_left_on_a_cancelled_order_is_found() -> None:
    case = compensated()
    case.charges[0] = changed(case.charges[0], state="captured", standing=True)
    assert kinds(case) == {"money", "hold-ledger", "capture-ledger"}


@pytest.mark.parametrize(
    ("field", "step", "kinds_found"),
    [
        ("charges", "payment", {"money", "payment-ledger"}),
        ("reservations", "stock", {"reserved", "reservation-ledger"}),
        ("deliveries", "delivery", {"delivery", "delivery-ledger"}),
    ],
)
def test_what_is_left_of_a_step_is_a_difference_unless_an_operator_has_settled_it(
    field: str, step: str, kinds_found: set[str]
) -> None:
    case = cancelled()
    effects = getattr(case, field)
    effects[0] = changed(effects[0], state="charged", standing=True)
    case.settled = {"another"}
    assert kinds(case) == kinds_found
    case.settled = {step}
    assert kinds(case) == set()


def test_only_a_skipped_or_resolved_step_is_settled() -> None:
    def command(kind: str, **payload: str) -> set[str]:
        return settled_by(event("order-1", 1, kind, **payload))

    assert command("SkipStep", step="stock") == command("ResolveStep", step="stock") == {"stock"}
    assert command("RetryStep", step="stock") == set()
    assert command("SettleRefund", action="skip") == command("SettleRefund", action="resolve") == {"payment"}
    assert command("SettleStock", action="skip") == {"stock"}
    assert command("SettleDelivery", action="resolve") == {"delivery"}
    assert command("SettleRefund", action="retry") == command("ReleasePayment") == set()


def test_an_order_without_an_outcome_is_found() -> None:
    case = confirmed()
    del case.stored[-1]
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("outcome", ["OrderCreated", "ItemAdded"])
    assert len(difference.event_ids) == 2


def test_an_order_with_two_outcomes_is_found() -> None:
    case = confirmed()
    case.stored.append(event(case.order_id, 4, "OrderCancelled", customer_id="17850", reason="late"))
    assert kinds(case) == {"outcome"}


def test_an_item_added_after_the_outcome_is_found() -> None:
    case = confirmed()
    case.stored[1], case.stored[2] = case.stored[2], case.stored[1]
    assert kinds(case) == {"outcome"}


def test_a_confirmation_that_names_another_total_is_found() -> None:
    case = confirmed()
    case.stored[-1]["total_minor"] = 999
    [difference] = check(case)
    assert (difference.kind, difference.expected, difference.actual) == ("total", 1000, 999)


def test_a_charge_that_was_made_twice_is_found() -> None:
    case = confirmed()
    case.charges[0] = changed(case.charges[0], times=2)
    assert kinds(case) == {"charge-twice"}


def test_a_charge_left_on_a_cancelled_order_is_found() -> None:
    case = cancelled()
    case.charges[0] = changed(case.charges[0], state="charged", standing=True)
    assert kinds(case) == {"money", "payment-ledger"}


def test_a_confirmed_order_that_was_not_charged_in_full_is_found() -> None:
    case = confirmed()
    del case.charges[1], case.answers[PAYMENTS][1]
    [difference] = check(case)
    assert (difference.kind, difference.expected, difference.actual) == ("money", 1000, 300)


def test_a_charge_of_another_amount_than_its_event_is_found() -> None:
    case = confirmed()
    case.charges[0] = changed(case.charges[0], amount_minor=301)
    assert kinds(case) == {"money", "payment-ledger"}


def test_a_charge_in_another_currency_than_its_event_is_found() -> None:
    case = confirmed()
    case.charges[0] = changed(case.charges[0], currency="EUR")
    assert kinds(case) == {"payment-ledger"}


def test_a_payment_event_without_a_charge_is_found() -> None:
    case = cancelled()
    del case.charges[0]
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("payment-ledger", "nothing")


def test_a_charge_that_no_event_tells_of_is_found() -> None:
    case = confirmed()
    case.charges.append(charge(3, 1))
    assert kinds(case) == {"money", "payment-ledger"}


def test_a_refund_that_no_event_tells_of_is_found() -> None:
    case = cancelled()
    case.answers[PAYMENTS].pop()
    assert kinds(case) == {"payment-ledger"}


def test_two_answers_to_one_order_version_are_found() -> None:
    case = confirmed()
    case.answers[PAYMENTS].append(
        event(case.order_id, 3, "PaymentCompleted", order_version=1, amount_minor=300, currency="GBP")
    )
    assert kinds(case) == {"answer-twice"}


def test_stock_left_reserved_for_a_cancelled_order_is_found() -> None:
    case = cancelled()
    case.reservations[1] = changed(case.reservations[1], standing=True)
    assert kinds(case) == {"reserved", "reservation-ledger"}


def test_a_confirmed_order_without_its_stock_is_found() -> None:
    case = confirmed()
    case.reservations[0] = changed(case.reservations[0], standing=False)
    assert kinds(case) == {"reserved", "reservation-ledger"}


def test_a_reservation_of_another_quantity_is_found() -> None:
    case = confirmed()
    case.reservations[0] = changed(case.reservations[0], quantities={"PEN": 3})
    [difference] = check(case)
    assert (difference.kind, difference.expected) == ("reserved", {1: {"PEN": 2}, 2: {"CUP": 1}})


def test_a_confirmed_order_that_nobody_delivers_is_found() -> None:
    case = confirmed()
    case.deliveries, case.answers[SHIPPING] = [], []
    assert kinds(case) == {"delivery"}


def test_a_confirmed_order_with_two_deliveries_is_found() -> None:
    case = confirmed()
    case.deliveries.append(effect(2, reference="delivery-2"))
    assert kinds(case) == {"delivery", "delivery-ledger"}


def test_a_delivery_of_a_cancelled_order_is_found() -> None:
    case = cancelled()
    case.deliveries[0] = changed(case.deliveries[0], standing=True)
    assert kinds(case) == {"delivery", "delivery-ledger"}


def test_a_delivery_event_that_names_another_delivery_is_found() -> None:
    case = confirmed()
    case.deliveries[0] = changed(case.deliveries[0], reference="delivery-2")
    assert kinds(case) == {"delivery-ledger"}


def test_an_order_behind_a_dead_letter_is_not_held_to_an_end() -> None:
    case = confirmed()
    del case.stored[-1], case.answers[INVENTORY]
    case.dead_in = {"orderflow-inventory"}
    assert kinds(case) == set()


def test_a_double_charge_is_found_behind_a_dead_letter_too() -> None:
    case = confirmed()
    case.charges[0] = changed(case.charges[0], times=2)
    case.dead_in = {"orderflow-inventory"}
    assert kinds(case) == {"charge-twice"}


CLEAN_STOCK = {"PEN": Stock(received=10, reserved=2, receipts=10), "CUP": Stock(received=5, reserved=1, receipts=5)}


def test_stock_that_adds_up_shows_no_difference() -> None:
    assert list(check_stock(CLEAN_STOCK, [confirmed(), cancelled()])) == []


@pytest.mark.parametrize(
    "pens",
    [
        Stock(received=10, reserved=3, receipts=10),
        Stock(received=11, reserved=2, receipts=10),
        Stock(received=1, reserved=2, receipts=1),
    ],
)
def test_stock_that_does_not_add_up_is_found(pens: Stock) -> None:
    [difference] = check_stock({**CLEAN_STOCK, "PEN": pens}, [confirmed()])
    assert (difference.kind, difference.subject) == ("stock", "PEN")
    assert difference.event_ids[0] == confirmed().answers[INVENTORY][0]["event_id"]


def test_stock_reserved_of_a_sku_that_the_warehouse_lost_is_found() -> None:
    [difference] = check_stock({"PEN": CLEAN_STOCK["PEN"]}, [confirmed()])
    assert (difference.kind, difference.subject) == ("stock", "CUP")
