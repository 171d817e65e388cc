"""What the payment provider can do to an order: refuse, be away, not answer. No retry comes before its delay.

The delays are a tenth of the default ones. To see the default ones, run these tests with
`ORDERFLOW_RETRY_DELAYS_MS=2000,4000,8000,16000,32000` in the environment.
"""

from collections.abc import Iterator
from uuid import uuid4

import msgspec
import pytest

from app.domain.events import Event, PaymentFailed
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS
from app.streaming.failures import read_delivery
from app.streaming.kafka.messages import to_record
from app.streaming.names import group_id, retry_topic
from tests.e2e.whole_system import WholeSystem
from tests.waiting import until

PAYMENTS = group_id("payments")
OUTAGE = 3  # attempts that it takes
CHARGED, REFUNDED, VOIDED = "charged", "refunded", "voided"


class Retry(msgspec.Struct, frozen=True):
    """A failure of the event of an order version, and the wait that followed."""

    order_version: int
    failed_at_ms: int
    delay_ms: int


def retries(system: WholeSystem, order_id: str) -> list[Retry]:
    """Those of payments for one order, as its retry topics tell of them."""
    codec, found = event_codec(committed_registry(), ORDERS_EVENTS), []
    for delay_ms in system.settings.retry_delays_ms:
        for message in system.records(retry_topic(PAYMENTS, delay_ms), order_id):
            first = read_delivery(to_record(message)).record
            found.append(Retry(codec.decode(first.value).version, message.timestamp()[1], delay_ms))
    return sorted(found, key=lambda retry: retry.failed_at_ms)


def early(tried: list[Retry], ended: Event) -> list[Retry]:
    """Those after which the next attempt had failed, or the last one was done, before the delay was over."""
    ends = [*[retry.failed_at_ms for retry in tried[1:]], ended.occurred_at // 1000]
    return [retry for retry, end in zip(tried, ends, strict=True) if end < retry.failed_at_ms + retry.delay_ms]


def told(system: WholeSystem, topic: str, order_id: str) -> list[tuple[str, int]]:
    """What a service has told of an order, and of which version of it."""
    events = system.events(topic, order_id)
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    return [(type(event).__name__, getattr(event, "order_version", event.version)) for event in events]


def comes(system: WholeSystem, topic: str, order_id: str, *wanted: tuple[str, int]) -> None:
    """The service tells exactly this."""
    until(lambda: len(told(system, topic, order_id)) >= len(wanted), f"{wanted} of {order_id}")
    assert told(system, topic, order_id) == list(wanted)


def test_a_refusal_cancels_the_order_and_all_that_was_done_is_undone(faulty: WholeSystem) -> None:
    """Its first version is paid and reserved when the charge of the second one is refused."""
    provider, carrier, order_id = faulty.settings.provider, faulty.settings.carrier, str(uuid4())
    faulty.plant(carrier, "unavailable", match={"order_id": order_id})  # so that it stays pending
    faulty.place(order_id)
    comes(faulty, INVENTORY_EVENTS, order_id, ("StockReserved", 1))
    faulty.plant(provider, "refuse", match={"order_id": order_id}, count=1)
    faulty.add_item(order_id)
    assert faulty.wait_for(order_id, "cancelled")["reason"] == "payment failed: refused-by-fault"
    faulty.mend(carrier)
    comes(faulty, PAYMENTS_EVENTS, order_id, ("PaymentCompleted", 1), ("PaymentFailed", 2), ("PaymentRefunded", 1))
    comes(faulty, INVENTORY_EVENTS, order_id, ("StockReserved", 1), ("StockReleased", 1))
    comes(faulty, SHIPPING_EVENTS, order_id, ("DeliveryScheduled", 1), ("DeliveryCancelled", 1))
    assert faulty.ledger(provider, order_id) == {1: REFUNDED, 2: VOIDED}
    assert faulty.ledger(carrier, order_id)[1] == "cancelled"


def test_an_outage_is_outlived_by_retries_at_their_delays(faulty: WholeSystem) -> None:
    order_id = str(uuid4())
    faulty.plant(faulty.settings.provider, "unavailable", match={"order_id": order_id}, count=OUTAGE)
    faulty.place(order_id)
    faulty.wait_for(order_id, "confirmed")
    tried = retries(faulty, order_id)
    assert [retry.delay_ms for retry in tried] == list(faulty.settings.retry_delays_ms[:OUTAGE])
    (paid,) = faulty.events(PAYMENTS_EVENTS, order_id)
    assert early(tried, paid) == []
    assert faulty.ledger(faulty.settings.provider, order_id) == {1: CHARGED}


def test_a_charge_without_an_answer_is_asked_for_again_and_made_once(faulty: WholeSystem) -> None:
    order_id, provider = str(uuid4()), faulty.settings.provider
    faulty.plant(provider, "timeout", match={"order_id": order_id}, count=1)
    faulty.place(order_id)
    faulty.wait_for(order_id, "confirmed")
    (paid,) = faulty.events(PAYMENTS_EVENTS, order_id)
    (tried,) = retries(faulty, order_id)
    assert early([tried], paid) == []
    assert faulty.ledger(provider, order_id) == {1: CHARGED}


class GivenUp(msgspec.Struct, frozen=True):
    """Orders whose first charge fails as often as it is tried: one that nobody touches, one that the customer goes on
    with, and one whose charge was recorded each time."""

    untouched: str
    changed: str
    recorded: str


@pytest.fixture(scope="module")
def given_up(system: WholeSystem) -> Iterator[GivenUp]:
    """All at once: each takes as long as all of its retries."""
    orders, provider = GivenUp(*[str(uuid4()) for _ in range(3)]), system.settings.provider
    attempts = len(system.settings.retry_delays_ms) + 1
    # of the untouched one, the void that its cancel asks for fails as often
    for order_id, kind, count in (
        (orders.untouched, "unavailable", 2 * attempts),
        (orders.changed, "unavailable", attempts),
        (orders.recorded, "timeout", attempts),
    ):
        system.plant(provider, kind, match={"order_id": order_id}, count=count)
        system.place(order_id)
        if order_id == orders.changed:  # at once: its first charge is given up within seconds, and that ends it
            system.add_item(order_id)
            system.cancel(order_id)
    yield orders
    system.mend(provider)


def assert_given_up(system: WholeSystem, order_id: str) -> None:
    """The charge of its first version failed at every delay, none of them early; only then was it told."""
    failed = system.events(PAYMENTS_EVENTS, order_id)[0]
    assert isinstance(failed, PaymentFailed)
    assert (failed.order_version, failed.reason) == (1, "unavailable")
    tried = [retry for retry in retries(system, order_id) if retry.order_version == 1]
    assert [retry.delay_ms for retry in tried] == list(system.settings.retry_delays_ms)
    assert early(tried, failed) == []


def test_later_events_of_an_order_never_overtake_a_charge_that_fails(system: WholeSystem, given_up: GivenUp) -> None:
    """The item is charged once the first charge was given up, and refunded by the cancel that came after it."""
    order_id = given_up.changed
    comes(system, ORDERS_EVENTS, order_id, ("OrderCreated", 1), ("ItemAdded", 2), ("OrderCancelled", 3))
    wanted = ("PaymentFailed", 1), ("PaymentCompleted", 2), ("PaymentRefunded", 2)
    comes(system, PAYMENTS_EVENTS, order_id, *wanted)
    assert_given_up(system, order_id)
    assert {retry.order_version for retry in retries(system, order_id)} == {1}
    assert system.ledger(system.settings.provider, order_id) == {1: VOIDED, 2: REFUNDED}


def test_a_charge_that_was_recorded_but_never_answered_does_not_stand(system: WholeSystem, given_up: GivenUp) -> None:
    order_id, provider = given_up.recorded, system.settings.provider
    assert system.wait_for(order_id, "cancelled")["reason"] == "payment failed: unavailable"
    assert_given_up(system, order_id)
    until(lambda: system.ledger(provider, order_id) == {1: REFUNDED}, "the money is back")


def test_a_charge_given_up_is_voided_by_timers_until_that_is_answered(system: WholeSystem, given_up: GivenUp) -> None:
    order_id, provider = given_up.untouched, system.settings.provider
    assert system.wait_for(order_id, "cancelled")["reason"] == "payment failed: unavailable"
    assert_given_up(system, order_id)
    until(lambda: system.ledger(provider, order_id) == {1: VOIDED}, "the key is voided")
    cancel = [retry.delay_ms for retry in retries(system, order_id) if retry.order_version == 2]
    assert cancel == list(system.settings.retry_delays_ms)
    assert told(system, PAYMENTS_EVENTS, order_id) == [("PaymentFailed", 1)]


def test_after_all_faults_everything_is_as_the_events_say(faulty: WholeSystem) -> None:
    report = faulty.ask("verify")
    assert (report["differences"], report["not_quiet"], report["blocked"]) == ([], [], [])
