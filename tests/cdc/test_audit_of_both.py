"""The audit and its repair, whoever publishes the outbox, and while nobody does."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from app.config import Settings
from app.eventstore.audit import repair
from app.eventstore.audit.repair import RepairWaitsError
from app.eventstore.audit.run import Audit
from app.eventstore.postgres import PostgresEventStore
from app.serde.topics import ORDERS_EVENTS, full_name
from tests.cdc.handing import publisher, use, use_and_die
from tests.cdc.loading import Load
from tests.chaos.relays import CODEC, appending
from tests.contract.order_streams import created
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

STORE = "insert into events (order_id, version, event_id, type, payload) values (%s, 1, %s, %s, %s)"


def store_only(settings: Settings) -> str:
    """An event that never came to the outbox; its id."""
    event = created(str(uuid4()))
    row = (event.order_id, event.event_id, full_name(type(event)), CODEC.encode(event))
    with psycopg.connect(settings.postgres) as connection:
        connection.execute(STORE, row)
    return event.event_id


def audit_of(settings: Settings) -> Audit:
    return Audit(settings.postgres, settings.kafka, ORDERS_EVENTS, CODEC.decode, lambda what, done, of: None)


async def test_what_waits_for_a_handover_that_was_killed_is_not_missing_and_not_published_twice(
    system: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the marker of a handover back to the relay, where capture has ended and the relay has not begun."""
    monkeypatch.setattr(repair, "STALLED_S", 0.5)
    await asyncio.to_thread(use, "cdc", system)
    async with Load(system) as load:
        await asyncio.to_thread(use_and_die, "relay", "waiting for capture to end", system)
        await load.some_more()
        assert publisher(system) == "to_relay"
        report = await asyncio.to_thread(audit_of(system).look)
        assert (report.found, report.unpublished > 0) == ({}, True)
        with pytest.raises(RepairWaitsError, match="orderflow cdc status"):
            await asyncio.to_thread(audit_of(system).repair)
        await asyncio.to_thread(use, "relay", system)
    assert (await asyncio.to_thread(audit_of(system).look)).found == {}


@pytest.mark.parametrize("side", ["cdc", "relay"])
async def test_what_is_missing_is_found_under_load_and_published_by_whoever_publishes(
    system: Settings, side: str
) -> None:
    await asyncio.to_thread(use, side, system)
    audit = audit_of(system)
    async with PostgresEventStore(system.postgres, CODEC) as store, appending(store, orders=10) as appended:
        await eventually(lambda: len(appended) > 50)
        missing = store_only(system)
        report = await asyncio.to_thread(audit.look)
        assert [(finding.wrong, finding.event_id) for finding in report.findings] == [("missing", missing)]
        mended = await asyncio.to_thread(audit.repair)
    assert (mended.found, mended.republished) == ({}, 1)
    assert (await asyncio.to_thread(audit.look)).found == {}
