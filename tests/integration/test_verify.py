"""The whole check against real servers: a clean system shows nothing, and every planted wrong is found."""

import asyncio
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
import pytest

from app.domain import events as e
from app.streaming.table import row_key
from app.verify import Report, run
from app.verify.kafka import KafkaReader
from tests.integration.verify_system import LETTERS, SmallSystem
from tests.integration.verify_two_orders import DAY, KEPT, PEN, UNDONE, envelope, stored_events, stored_rows

pytestmark = pytest.mark.anyio
GHOST = str(uuid5(NAMESPACE_OID, "ghost"))


async def checked(system: SmallSystem) -> Report:
    return await run(system.settings, timeout=20)


def found(report: Report) -> set[tuple[str, str]]:
    return {(difference.kind, difference.subject) for difference in report.differences}


async def test_a_clean_system_shows_no_difference(system: SmallSystem) -> None:
    report = await checked(system)
    assert (report.differences, report.not_quiet, report.clean) == ((), (), True)
    assert (report.orders, report.confirmed, report.cancelled, report.rows) == (2, 1, 1, 8)


async def test_addresses_with_a_slash_at_their_end_are_the_same_ones(system: SmallSystem) -> None:
    addresses = {name: getattr(system.settings, name) + "/" for name in ("api", "provider", "carrier")}
    report = await run(msgspec.structs.replace(system.settings, **addresses), timeout=20)
    assert (report.differences, report.clean) == ((), True)


async def test_hostile_records_are_no_difference_once_every_reader_has_dead_lettered_them(system: SmallSystem) -> None:
    system.produce([("orders.events", "hostile", b"\x00\x00", [])])
    await asyncio.to_thread(system.read_everything)
    [difference] = (await checked(system)).differences
    assert (difference.kind, difference.expected) == ("letter-missing", "a dead letter of each reader")

    origin = difference.subject.removeprefix("orders.events[").replace("]@", " ").split()
    headers = [
        (f"__streams.errors.{name}", text.encode()) for name, text in zip(("partition", "offset"), origin, strict=True)
    ]
    letter = b"\x00\x00", [("__streams.errors.topic", b"orders.events"), *headers]
    system.produce((topic, "hostile", *letter) for topic in LETTERS)
    report = await checked(system)
    assert (report.differences, report.dead_letters, report.blocked) == ((), len(LETTERS), ())


async def test_what_is_under_way_is_named_at_the_end_of_the_wait(system: SmallSystem) -> None:
    system.task["in_flight"] = 1
    system.produce([("orderflow-payments-retry-2000", KEPT, b"", [])])
    report = await run(system.settings, timeout=0)
    assert not report.clean
    assert "payments[0] has 1 records in flight" in report.not_quiet
    assert any(line.startswith("payments has yet to read orderflow-payments-retry-2000") for line in report.not_quiet)
    system.task["in_flight"] = 0
    await asyncio.to_thread(system.read_everything)
    assert (await checked(system)).clean


def test_a_group_that_never_was_has_neither_members_nor_offsets(own_kafka: str) -> None:
    reader = KafkaReader(own_kafka)
    assert (reader.members("nobody"), reader.committed("nobody")) == ([], {})


def test_an_open_transaction_ends_what_is_committed(own_kafka: str, system: SmallSystem) -> None:
    reader, topic = KafkaReader(own_kafka), ["orderflow-payments-retry-2000"]
    with system.open_transaction(topic[0]):
        assert reader.ends(topic) != reader.ends(topic, committed=False)
    system.wait_for_markers()


async def test_every_planted_wrong_is_found(system: SmallSystem) -> None:
    _, confirmed = stored_events(KEPT)
    forged = e.OrderCancelled(**envelope(KEPT, "forged", 3), customer_id="17850", reason="forged")
    missing = e.OrderCancelled(**envelope(GHOST, "missing", 1), customer_id="17850", reason="missing")
    system.store(missing)
    system.publish(confirmed, forged, *_repeated(UNDONE))
    system.sql(
        "insert into events select order_id, 2, gen_random_uuid(), type, payload from events where order_id = %s", GHOST
    )
    await system.charge(UNDONE, 2)
    await system.schedule(KEPT, 2)
    system.reserve(UNDONE, 2)
    system.sql("update warehouse.stock set received = received + 1")
    system.rows[f"/views/orders/{KEPT}"]["total_minor"] = 301
    del system.rows["/views/products/PEN%2Fblue/demand"]
    sales = row_key((DAY, "GBP"))
    stale = stored_rows(stored_events(KEPT))["daily_sales", sales]
    system.produce(
        [
            ("orderflow-order-views-order_summaries-changelog", "nobody's order", b"row", []),
            ("orderflow-order-views-order_summaries-changelog", UNDONE, b"row", []),
            ("orderflow-order-views-daily_sales-changelog", sales, stale, []),
            ("orderflow-order-views-customer_orders-changelog", row_key(("17850", KEPT)), None, []),
        ]
    )
    await asyncio.to_thread(system.read_everything)

    report = await checked(system)
    assert found(report) >= {
        ("event-missing", f"orders.events {GHOST} version 1 OrderCancelled"),
        ("event-doubled", f"orders.events {KEPT}"),
        ("event-unknown", f"orders.events {KEPT} version 3 OrderCancelled"),
        ("event-doubled", f"payments.events {UNDONE}"),
        ("event-unreadable", f"event store {GHOST} version 2"),
        ("money", f"{UNDONE} charged - refunded"),
        ("payment-ledger", f"payment {UNDONE} order versions standing"),
        ("delivery", f"{KEPT} deliveries scheduled"),
        ("reserved", f"{UNDONE} stock by order version"),
        ("stock", PEN.sku),
        ("row", f"/views/orders/{KEPT} total_minor"),
        ("row-missing", "/views/products/PEN%2Fblue/demand"),
        ("row", f"/views/reconciliation/orders/{UNDONE} paid_minor"),
        ("row", "/views/reconciliation/products/PEN%2Fblue kept"),
        ("row-extra", "/views/orders/nobody%27s%20order"),
        ("changelog", f"orderflow-order-views-daily_sales-changelog {DAY}/GBP orders"),
        ("changelog", f"orderflow-order-views-order_summaries-changelog {UNDONE}"),
        ("changelog-missing", f"orderflow-order-views-customer_orders-changelog 17850/{KEPT}"),
    }
    assert all(difference.event_ids for difference in report.differences if difference.kind in {"row", "changelog"})


def _repeated(order_id: str) -> list[e.Event]:
    paid: dict[str, Any] = {"order_version": 1, "currency": "GBP", "amount_minor": 300}
    return [e.PaymentRefunded(**envelope(order_id, "refunded", 2), **paid)]
