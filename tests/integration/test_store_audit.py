"""`orderflow store audit` on real servers: each planted wrong is found, and repaired so that verify finds nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from app.cli import store
from app.config import dump
from app.domain import events as e
from app.eventstore.audit import repair
from app.eventstore.audit.repair import RepairWaitsError
from app.eventstore.audit.run import Audit, Report
from app.eventstore.postgres import PostgresEventStore
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from app.eventstore.void import void_records
from app.serde.cloudevents import headers
from app.serde.topics import ORDERS_EVENTS
from app.verify import run as verify
from app.verify.kafka import KafkaReader
from tests.chaos.relays import CODEC, appending
from tests.integration.relaying import running
from tests.integration.verify_system import SmallSystem
from tests.integration.verify_two_orders import KEPT, UNDONE, encoded, envelope, stored_events
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.anyio

GROUP = "orderflow-relay"


class Sent(NamedTuple):
    """A record of `orders.events`."""

    key: str
    value: bytes
    headers: list[tuple[str, bytes]]


def sent(event: e.Event) -> Sent:
    return Sent(event.order_id, encoded(event), headers(event))


def whole() -> list[Sent]:
    """The topic as the store says."""
    return [sent(event) for order_id in (KEPT, UNDONE) for event in stored_events(order_id)]


def flipped(value: bytes, place: int) -> bytes:
    return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]


def removed() -> list[Sent]:
    return whole()[1:]


def doubled() -> list[Sent]:
    first, *others = whole()
    return [first, first, *others]


def reordered() -> list[Sent]:
    first, second, *others = whole()
    return [second, first, *others]


def flipped_in_a_field() -> list[Sent]:
    """What a reader takes for the event: another currency."""
    first, *others = whole()
    return [first._replace(value=flipped(first.value, first.value.index(b"GBP"))), *others]


def flipped_in_the_schema_id() -> list[Sent]:
    first, *others = whole()
    return [first._replace(value=flipped(first.value, 1)), *others]


def flipped_in_a_header() -> list[Sent]:
    first, *others = whole()
    changed = [(name, flipped(content, 0) if name == "ce_id" else content) for name, content in first.headers]
    return [first._replace(headers=changed), *others]


WRONGS: dict[Callable[[], list[Sent]], dict[str, int]] = {
    removed: {"missing": 1},
    doubled: {"doubled": 1},
    reordered: {"reordered": 1},
    flipped_in_a_field: {"corrupted": 1},
    flipped_in_the_schema_id: {"corrupted": 1},
    flipped_in_a_header: {"corrupted": 1},
}


def plant(system: SmallSystem, records: Sequence[Sent]) -> None:
    """The topic holds these records and no others."""
    reader = KafkaReader(system.settings.kafka)
    system.wait_for_markers()
    ends = [TopicPartition(*place, end) for place, end in reader.ends([ORDERS_EVENTS]).items()]
    admin = AdminClient({"bootstrap.servers": system.settings.kafka})
    for deleted in admin.delete_records(ends).values():
        deleted.result(PATIENCE_S)
    system.produce((ORDERS_EVENTS, *record) for record in records)
    system.wait_for_markers()


def relaying(kafka: str, postgres: str, group: str = GROUP) -> AbstractContextManager[None]:
    return running(Relay(postgres, lambda shard: Publisher(kafka, group, ORDERS_EVENTS, shard)))


def audit(kafka: str, postgres: str) -> Audit:
    return Audit(postgres, kafka, ORDERS_EVENTS, CODEC.decode, lambda what, done, of: None)


def audit_of(system: SmallSystem) -> Audit:
    return audit(system.settings.kafka, system.settings.postgres)


async def verified(system: SmallSystem) -> set[str]:
    """The kinds of differences that verify finds, once everybody has read everything."""
    await asyncio.to_thread(system.read_everything)
    report = await verify(system.settings, timeout=20)
    assert report.not_quiet == ()
    return {difference.kind for difference in report.differences}


def counting(system: SmallSystem) -> list[e.Event]:
    """The events of an order, in the records that are not void."""
    void = void_records(system.settings.postgres)
    records = [
        record
        for record in KafkaReader(system.settings.kafka).records([ORDERS_EVENTS])
        if record.offset() not in void.get((ORDERS_EVENTS, record.partition()), ())
    ]
    return [CODEC.decode(record.value()) for record in records if record.key() == KEPT.encode()]


async def test_a_topic_that_is_as_the_store_says_shows_nothing(system: SmallSystem) -> None:
    plant(system, whole())
    report = audit_of(system).look()
    assert (report.clean, report.findings, report.unpublished, report.strays) == (True, [], 0, 0)
    assert (report.orders, report.events, report.records) == (2, 4, 4)


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.__name__)
async def test_a_planted_wrong_is_found_and_its_repair_leaves_nothing_for_verify(
    wrong: Callable[[], list[Sent]], system: SmallSystem
) -> None:
    await asyncio.to_thread(plant, system, wrong())
    report = await asyncio.to_thread(audit_of(system).look)
    assert report.found == WRONGS[wrong]
    assert {finding.order_id for finding in report.findings} == {KEPT}
    assert wrong is flipped_in_a_header or await verified(system) != set()

    with relaying(system.settings.kafka, system.settings.postgres):
        mended = await asyncio.to_thread(audit_of(system).repair)
    assert (mended.clean, mended.findings) == (True, [])
    assert await verified(system) == set()
    assert await asyncio.to_thread(counting, system) == list(stored_events(KEPT))


async def test_the_command_prints_what_it_finds_and_ends_with_one(
    system: SmallSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dump(system.settings).items():
        monkeypatch.setenv(name, value)
    plant(system, removed())
    missing = stored_events(KEPT)[0]
    shown = CliRunner().invoke(store.cli, ["audit"])
    assert shown.exit_code == 1
    assert f"missing: order {KEPT} version 1 event {missing.event_id}" in shown.stdout
    with relaying(system.settings.kafka, system.settings.postgres):
        repaired = CliRunner().invoke(store.cli, ["audit", "--repair", "--json"])
    assert repaired.exit_code == 0
    assert '"found":{}' in repaired.stdout


async def test_what_waits_in_the_outbox_is_not_missing(system: SmallSystem) -> None:
    plant(system, removed())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(repair, "STALLED_S", 0.5)
        with pytest.raises(RepairWaitsError, match="orderflow relay"):
            audit_of(system).repair()
    report = audit_of(system).look()
    assert (report.clean, report.unpublished) == (True, 1)

    # what a repair that was cut short has left is not put there again
    with relaying(system.settings.kafka, system.settings.postgres):
        mended = audit_of(system).repair()
    assert (mended.clean, mended.unpublished) == (True, 0)
    published = KafkaReader(system.settings.kafka).records([ORDERS_EVENTS])
    times = Counter(CODEC.decode(record.value()).event_id for record in published)
    assert times[stored_events(KEPT)[0].event_id] == 1


async def test_an_event_that_the_store_has_not_is_told_and_stays(system: SmallSystem) -> None:
    forged = e.OrderCancelled(**envelope(KEPT, "forged", 3), customer_id="17850", reason="forged")
    plant(system, [*whole(), sent(forged), Sent("nobody", b"garbage", [])])
    report = audit_of(system).repair()
    [finding] = report.findings
    assert (finding.wrong, finding.event_id) == ("unknown", forged.event_id)
    assert (report.found, report.strays, report.republished, report.voided) == ({"unknown": 1}, 1, 0, 0)


async def test_orders_are_repaired_while_events_are_appended_to_them(system: SmallSystem, database: str) -> None:
    """The topic loses a part of what was published; the rest of each order comes meanwhile."""
    kafka = system.settings.kafka
    await asyncio.to_thread(plant, system, [])
    with relaying(kafka, database, "orderflow-relay-of-many"):
        async with PostgresEventStore(database, CODEC) as events, appending(events, orders=8) as appended:
            await eventually(lambda: len(appended) > 200)
            await asyncio.to_thread(plant, system, [])
            mended = await asyncio.to_thread(audit(kafka, database).repair)
            await eventually(lambda: len(appended) > 400)
        await eventually(lambda: audit(kafka, database).look().unpublished == 0)
    report: Report = await asyncio.to_thread(audit(kafka, database).look)
    assert mended.republished > 0
    assert (report.found, report.events) == ({}, len(appended))
