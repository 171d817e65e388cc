"""Partitions of the outbox: begun beside appends, dropped when their rows are old and published, and not before."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.eventstore import outbox_parts
from app.eventstore.outbox import RANGE
from app.eventstore.outbox_parts import OutboxParts
from app.eventstore.postgres import PostgresEventStore
from tests.chaos.relays import CODEC, appending
from tests.contract.order_streams import history
from tests.integration.relaying import insert_row
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

KEEP = timedelta(days=7)
OUT_OF_ORDER = """
select count(*) from (
    select version - lag(version, 1, 0) over (partition by aggregateid order by xid, seq) as step from outbox
) steps where step <> 1
"""


class Outbox:
    """That of a database, with its events appended; `age` makes all rows of now older."""

    def __init__(self, dsn: str, store: PostgresEventStore) -> None:
        self.dsn, self.store = dsn, store

    def tend(self, keep: timedelta = KEEP) -> list[int]:
        return OutboxParts(self.dsn, keep).tend(threading.Event())

    def sql(self, statement: str, *parameters: object) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    async def append(self) -> str:
        order_id = str(uuid4())
        await self.store.append(order_id, 0, history(order_id, 1, 3), command_id=uuid4())
        return order_id

    def age(self, days: int) -> None:
        self.sql("update outbox set appended_at = appended_at - %s", timedelta(days=days))

    def publish(self) -> None:
        self.sql("update relay_position set xid = pg_current_xact_id(), seq = %s", 2**62)

    def parts(self) -> list[int]:
        """The partition of each row."""
        return self.sql("select seq / %s from outbox order by seq", RANGE)


@pytest.fixture
async def outbox(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbox]:
    monkeypatch.setattr(outbox_parts, "TRIES", 2)
    monkeypatch.setattr(outbox_parts, "PAUSE_S", 0.0)
    async with PostgresEventStore(database, CODEC) as store:
        yield Outbox(database, store)


async def complete(outbox: Outbox) -> str:
    """An order in a first partition that is old and followed by another, with an order too."""
    order_id = await outbox.append()
    outbox.age(8)
    assert outbox.tend() == []
    await outbox.append()
    return order_id


async def test_old_rows_that_are_published_go_with_their_partition(outbox: Outbox) -> None:
    await complete(outbox)
    assert outbox.parts() == [0, 0, 0, 1, 1, 1]
    outbox.publish()
    assert outbox.tend() == [0]
    assert outbox.parts() == [1, 1, 1]
    assert outbox.tend() == []
    assert outbox.sql("select count(*) from events") == [6]


async def test_young_rows_stay_and_begin_no_partition(outbox: Outbox) -> None:
    await outbox.append()
    outbox.publish()
    assert outbox.tend() == []
    await outbox.append()
    assert outbox.parts() == [0] * 6
    outbox.age(2)
    assert outbox.tend() == []
    await outbox.append()
    assert outbox.parts() == [0] * 6 + [1] * 3
    assert outbox.tend() == []


# why it may not be published, and what ends that
BEHIND = (
    "update relay_position set xid = '0' where shard = outbox_shard('{order_id}', 2)",
    "update relay_position set xid = (select max(xid) from relay_position)",
)
BLOCKED = (
    "insert into outbox_blocked values ('{order_id}', 0, '0', 0, 0, '', now())",
    "delete from outbox_blocked",
)
HANDED_OVER = "update publishing set state = 'to_cdc'", "update publishing set state = 'relay'"


async def test_a_partition_stays_while_it_may_hold_what_is_not_published(outbox: Outbox) -> None:
    order_id = await complete(outbox)
    outbox.publish()
    for unpublished, mended in (BEHIND, BLOCKED, HANDED_OVER):
        outbox.sql(unpublished.format(order_id=order_id))
        assert outbox.tend() == []
        outbox.sql(mended)
    assert outbox.tend() == [0]


async def test_who_reads_the_outbox_for_long_is_not_waited_for_and_appends_go_on(outbox: Outbox) -> None:
    await complete(outbox)
    outbox.publish()
    with psycopg.connect(outbox.dsn) as reader:
        reader.execute("select from outbox limit 1")
        assert outbox.tend() == []
        await outbox.append()
    assert outbox.tend() == [0]


async def test_an_append_that_is_slow_ends_in_the_partition_where_it_began(outbox: Outbox) -> None:
    await complete(outbox)
    outbox.sql("select setval('outbox_seq_seq', 10)")
    await outbox.append()
    assert sorted(outbox.parts()) == [0] * 6 + [1] * 3
    outbox.tend()
    await outbox.append()
    assert sorted(outbox.parts()) == [0] * 6 + [1] * 6


async def test_a_row_that_comes_in_the_moment_of_the_drop_keeps_its_partition(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an append that took its number before the sequence was moved, and is committed when the drop gets its lock."""
    monkeypatch.setattr(outbox_parts, "TRIES", 1_000_000)
    await complete(outbox)
    outbox.publish()
    with psycopg.connect(outbox.dsn) as late:
        late.execute("select setval('outbox_seq_seq', 10)")
        insert_row(late, uuid4(), 1, b"")
        tending = asyncio.create_task(asyncio.to_thread(outbox.tend))
        await eventually(lambda: outbox.sql("select count(*) from pg_locks where not granted") != [0])
        late.commit()
    assert await tending == []
    assert sorted(outbox.parts()) == [0] * 4 + [1] * 3
    outbox.age(8)
    outbox.publish()
    assert 0 in await asyncio.to_thread(outbox.tend)


async def more(appended: list[str]) -> None:
    enough = len(appended) + 20
    await eventually(lambda: len(appended) > enough)


async def test_partitions_begin_while_orders_are_appended_and_no_row_is_out_of_place(outbox: Outbox) -> None:
    async with appending(outbox.store, orders=8) as appended:
        for _ in range(5):
            await more(appended)
            await asyncio.to_thread(outbox.tend, timedelta(0))
    assert outbox.sql("select count(*) from outbox") == outbox.sql("select count(*) from events") == [len(appended)]
    assert outbox.sql(OUT_OF_ORDER) == [0]
    assert set(outbox.parts()) >= set(range(5))
