"""`orderflow store skip` on real servers: what nobody can read, or should, is out of everybody's way."""

import asyncio
import json
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import store
from app.domain import events as e
from app.domain.voiding import NotVoidableError, voided
from app.eventstore.audit.skip import Skips, UnknownEventError
from app.eventstore.port import Snapshot, UnreadableEventError
from app.eventstore.postgres import PostgresEventStore
from app.serde.cloudevents import headers
from app.serde.topics import ORDERS_EVENTS, full_name
from app.verify.changelogs import topic_of as changelog_of
from tests.chaos.relays import CODEC, appending
from tests.contract.order_streams import ITEM, history
from tests.integration.test_store_audit import audit_of, relaying, verified
from tests.integration.verify_system import SmallSystem
from tests.integration.verify_two_orders import KEPT, UNDONE, answers, encoded, envelope, stored_events, stored_rows
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

NOBODY = str(UUID(int=0))
VOIDED = partial(voided, reason="a bug wrote it", now=1_317_914_400_123_456)
BY_ADA = {"who": "ada", "reason": "a bug wrote it"}


async def appended(database: str, *events: e.Event) -> None:
    async with PostgresEventStore(database, CODEC) as postgres:
        await postgres.append(events[0].order_id, events[0].version - 1, events, command_id=uuid4())


async def read(database: str, order_id: str) -> list[e.Event]:
    async with PostgresEventStore(database, CODEC) as postgres:
        return await postgres.read(order_id)


def damage(database: str, order_id: str, version: int) -> None:
    with psycopg.connect(database) as connection:
        damaged = "update events set payload = 'no event' where order_id = %s and version = %s"
        connection.execute(damaged, (order_id, version))


def rows(database: str, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


def published(database: str, order_id: str) -> list[object]:
    """The versions of the order's rows in the outbox, in their order."""
    statement = "select version from outbox where aggregateid = %s order by xid, seq"
    return [version for (version,) in rows(database, statement, order_id)]


def follow(system: SmallSystem, order_id: str, substitute: e.Event) -> None:
    """The view follows the order, as a worker's would."""
    path = f"/views/orders/{order_id}"
    told = [*stored_events(order_id), *answers(order_id, system.rows[path]["delivery_id"]), substitute]
    [(key, row)] = [(key, row) for (table, key), row in stored_rows(told).items() if table == "order_summaries"]
    system.produce([(changelog_of("order_summaries"), key, row, [])])
    system.rows[path]["version"] = substitute.version


@pytest.mark.parametrize(("order_id", "readable"), [(KEPT, False), (UNDONE, True)], ids=["unreadable", "wrong"])
async def test_a_skipped_event_leaves_nothing_for_audit_and_verify(
    order_id: str, readable: bool, system: SmallSystem
) -> None:
    """A bug has appended it after the end, and it was published as it is."""
    item: dict[str, Any] = {"customer_id": "17850", "currency": "GBP", "item": ITEM, "fulfilment": "choreography"}
    bad = e.ItemAdded(**envelope(order_id, "bad", 3), **item)
    value = encoded(bad) if readable else b"no event"
    row = (order_id, 3, bad.event_id, full_name(e.ItemAdded), value)
    system.sql("insert into events (order_id, version, event_id, type, payload) values (%s, %s, %s, %s, %s)", *row)
    system.produce([(ORDERS_EVENTS, order_id, value, headers(bad))])
    assert audit_of(system).look().found == ({} if readable else {"unreadable": 1})
    assert await verified(system) != set()

    postgres = system.settings.postgres
    Skips(postgres, CODEC).skip(order_id, 3, VOIDED, **BY_ADA)
    with relaying(system.settings.kafka, postgres):
        mended = await asyncio.to_thread(audit_of(system).repair)
    assert (mended.clean, mended.voided) == (True, 1)
    [*others, substitute] = await read(postgres, order_id)
    assert (others, substitute.event_id) == (stored_events(order_id), bad.event_id)
    follow(system, order_id, substitute)
    assert await verified(system) == set()


async def test_what_was_skipped_is_kept_and_an_event_is_skipped_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_POSTGRES", database)
    order = history(str(uuid4()), 1, 3)
    order_id = order[0].order_id
    await appended(database, *order)
    columns = "order_id, version, event_id, type, payload, appended_at, xid::text"
    bad = rows(database, f"select {columns} from events where version = 2")

    def run(*words: str) -> str:
        done = CliRunner().invoke(store.cli, [*words, "--json"])
        assert done.exit_code == 0, done.output
        return done.stdout

    first = json.loads(run("skip", order_id, "2", "--reason", "a bug wrote it"))
    assert (first["republished"], first["skip"]["type"]) == (2, full_name(e.ItemAdded))
    after = [await asyncio.to_thread(rows, database, f"select * from {table}") for table in ("events", "outbox")]
    again = json.loads(run("skip", order_id, "2", "--reason", "another"))
    assert again == {"skip": first["skip"], "republished": 0}
    assert after == [rows(database, f"select * from {table}") for table in ("events", "outbox")]

    assert rows(database, f"select {columns} from skipped_events") == bad
    assert json.loads(run("skips")) == [first["skip"]]
    assert published(database, order_id) == [1, 2, 3, 2, 3]
    [_, substitute, last] = await read(database, order_id)
    assert isinstance(substitute, e.EventVoided)
    assert (substitute.reason, substitute.event_id, last) == ("a bug wrote it", order[1].event_id, order[2])
    assert rows(database, "select xid::text from events where version = 2") == [bad[0][-1:]]


async def test_what_cannot_be_skipped_is_refused_and_nothing_is_changed(database: str) -> None:
    order_id, skips = str(uuid4()), Skips(database, CODEC)
    await appended(database, *history(order_id, 1, 4))
    damage(database, order_id, 3)
    before = rows(database, "select * from events")
    for unknown, version in ((order_id, 5), (NOBODY, 1), ("no order", 1)):
        with pytest.raises(UnknownEventError, match="has no version"):
            skips.skip(unknown, version, VOIDED, **BY_ADA)
    with pytest.raises(NotVoidableError):
        skips.skip(order_id, 1, VOIDED, **BY_ADA)
    with pytest.raises(UnreadableEventError, match=r"version 3 of order .* the newest of an order first"):
        skips.skip(order_id, 2, VOIDED, **BY_ADA)
    assert (rows(database, "select * from events"), skips.all()) == (before, [])

    for version in (3, 2):
        skips.skip(order_id, version, VOIDED, **BY_ADA)
    assert [type(event) for event in await read(database, order_id)] == [
        *(e.OrderCreated, e.EventVoided, e.EventVoided, e.ItemAdded)
    ]


async def test_a_snapshot_of_what_was_skipped_is_not_read_though_it_is_written_later(database: str) -> None:
    order_id = str(uuid4())
    await appended(database, *history(order_id, 1, 4))
    Skips(database, CODEC).skip(order_id, 3, VOIDED, **BY_ADA)
    kept = "insert into snapshots (order_id, version, schema, state) values (%s, %s, 'form', 'state')"
    async with PostgresEventStore(database, CODEC) as postgres:
        for version, is_read in ((2, True), (3, False), (4, False)):
            with psycopg.connect(database) as connection:
                connection.execute("delete from snapshots")
                connection.execute(kept.encode(), (order_id, version))
            snapshot, events = await postgres.read_latest(order_id, "form")
            assert snapshot == (Snapshot(version, "form", b"state") if is_read else None)
            assert [event.version for event in events] == ([3, 4] if is_read else [1, 2, 3, 4])


async def test_appends_of_the_moment_come_behind_what_is_published_again(database: str) -> None:
    skips = Skips(database, CODEC)
    async with PostgresEventStore(database, CODEC) as postgres, appending(postgres, orders=6) as added:
        await eventually(lambda: len(added) > 60)
        orders = [str(order_id) for (order_id,) in rows(database, "select distinct order_id from events")]
        again = {
            order_id: (await asyncio.to_thread(skips.skip, order_id, 2, VOIDED, **BY_ADA)).republished
            for order_id in orders
        }
        count = len(added)
        await eventually(lambda: len(added) > count + 60)
    for order_id, republished in again.items():
        newest = len(await read(database, order_id))
        assert published(database, order_id) == [*range(1, republished + 2), *range(2, newest + 1)]
