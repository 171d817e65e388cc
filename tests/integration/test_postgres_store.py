"""The event store on PostgreSQL beyond its contract: races of many stores, failures of one command, limits of waits."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql

from app.domain.events import Item
from app.embedded.ports import free_ports
from app.errors import ConcurrencyError
from app.eventstore import group_commit
from app.eventstore.port import (
    Appended,
    AppendFailedError,
    CommandReusedError,
    EventStore,
    Recorded,
    Snapshot,
    StoreBusyError,
    StoreUnavailableError,
    UnreadableEventError,
)
from app.eventstore.postgres import PostgresEventStore
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from tests.contract.following import all_events
from tests.contract.order_streams import created, history
from tests.integration.stored import ask, check_whole
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
RECORD = "insert into idempotency (command_id, order_id, version, fingerprint) values (%s, %s, 1, '')"
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresEventStore]:
    async with PostgresEventStore(database, CODEC) as postgres:
        yield postgres


async def append_new(store: EventStore, order_id: str) -> Appended:
    return await store.append(order_id, 0, [created(order_id)], command_id=uuid4())


async def contend(store: EventStore, orders: list[str], chance: random.Random) -> int:
    """Appends to orders picked at random, on what it last read of them; how many events."""
    appended = 0
    for _ in range(40):
        order = chance.choice(orders)
        version = len(await store.read(order)) + chance.choice([0, 0, 0, -1])
        events = history(order, max(version, 0) + 1, max(version, 0) + chance.randint(1, 3))
        try:
            await store.append(order, max(version, 0), events, command_id=uuid4())
        except ConcurrencyError:
            continue
        appended += len(events)
    return appended


async def test_racing_stores_leave_every_stream_whole_and_the_outbox_in_its_order(database: str) -> None:
    orders = [str(uuid4()) for _ in range(12)]
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(PostgresEventStore(database, CODEC)) for _ in range(3)]
        racers = [contend(stores[seed % 3], orders, random.Random(seed)) for seed in range(24)]
        appended = sum(await asyncio.gather(*racers))
    assert appended > 0
    check_whole(database, appended)


async def test_a_command_that_the_database_refuses_fails_alone(store: PostgresEventStore, database: str) -> None:
    orders = [str(uuid4()) for _ in range(10)]
    with psycopg.connect(database) as connection:
        check = f"alter table events add check (order_id <> '{orders[3]}')"
        connection.execute(check.encode())
    outcomes = await asyncio.gather(*(append_new(store, order) for order in orders), return_exceptions=True)
    failed = outcomes.pop(3)
    assert isinstance(failed, AppendFailedError)
    assert outcomes == [Appended(1, replayed=False)] * 9


async def test_a_rival_that_does_not_end_is_not_waited_for_and_holds_up_no_other_order(
    store: PostgresEventStore, database: str
) -> None:
    held, *others = [str(uuid4()) for _ in range(5)]
    with psycopg.connect(database) as rival:
        rival.execute(
            "insert into events (order_id, version, event_id, type, payload) values (%s, 1, %s, 't', '')",
            (UUID(held), uuid4()),
        )
        outcomes = await asyncio.gather(
            *(append_new(store, order) for order in (held, *others)), return_exceptions=True
        )
        rival.rollback()
    assert isinstance(outcomes[0], StoreUnavailableError)
    assert outcomes[1:] == [Appended(1, replayed=False)] * 4
    assert await append_new(store, held) == Appended(1, replayed=False)


async def test_no_event_is_read_past_an_append_in_progress(store: PostgresEventStore, database: str) -> None:
    first, second = str(uuid4()), str(uuid4())
    event = created(first)
    row = UUID(first), UUID(event.event_id), CODEC.encode(event)
    with psycopg.connect(database) as slow:
        slow.execute("insert into events (order_id, version, event_id, type, payload) values (%s, 1, %s, 't', %s)", row)
        await append_new(store, second)
        assert await store.read_all() == []
        slow.commit()
    read = await all_events(store, 2)
    assert [recorded.event.order_id for recorded in read] == [first, second]


async def test_who_reads_all_events_while_they_are_appended_has_each_once(database: str) -> None:
    orders = [str(uuid4()) for _ in range(12)]
    async with PostgresEventStore(database, CODEC) as first, PostgresEventStore(database, CODEC) as second:
        racers = [contend((first, second)[seed % 2], orders, random.Random(seed)) for seed in range(8)]
        appending = asyncio.gather(*racers)
        read: list[Recorded] = await all_events(first, 1)
        while not appending.done():
            read += await first.read_all(read[-1].position, limit=50)
            await asyncio.sleep(0)
        count = sum(await appending)
        read += await all_events(first, count - len(read), read[-1].position)
        assert read == await all_events(first, count)
        for order in orders:
            assert [found.event for found in read if found.event.order_id == order] == await first.read(order)


async def test_an_event_that_cannot_be_read_is_named_and_can_be_gone_past(
    store: PostgresEventStore, database: str
) -> None:
    order_id = str(uuid4())
    await store.append(order_id, 0, history(order_id, 1, 4), command_id=uuid4())
    positions = [recorded.position for recorded in await all_events(store, 4)]
    with psycopg.connect(database) as connection:
        connection.execute("update events set payload = '' where version = 3")
    for reading in (store.read(order_id), store.read_latest(order_id, "form")):
        with pytest.raises(UnreadableEventError, match=f"version 3 of order {order_id} cannot be read"):
            await reading
    assert [recorded.position for recorded in await store.read_all()] == positions[:2]
    with pytest.raises(UnreadableEventError, match=positions[2]):
        await store.read_all(positions[1])
    assert [recorded.event.version for recorded in await store.read_all(positions[2])] == [4]


async def test_an_append_within_a_transaction_that_wrote_before_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("select pg_current_xact_id()")
        with pytest.raises(psycopg.errors.RaiseException, match="first write"):
            connection.execute(
                "select append_batch('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')"
            )


async def test_who_listens_is_told_of_an_append(store: PostgresEventStore, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute("listen outbox")
        await append_new(store, str(uuid4()))
        told = await asyncio.to_thread(lambda: list(listener.notifies(timeout=10, stop_after=1)))
    assert [notification.channel for notification in told] == ["outbox"]


async def test_a_snapshot_that_cannot_be_written_holds_up_no_append(store: PostgresEventStore, database: str) -> None:
    order_id = str(uuid4())
    await append_new(store, order_id)
    with psycopg.connect(database) as rival:
        rival.execute("lock table snapshots")
        store.keep(order_id, Snapshot(1, "form", b"state"))
        assert await append_new(store, str(uuid4())) == Appended(1, replayed=False)
        rival.rollback()


async def test_more_commands_than_may_wait_are_turned_away(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 3)
    closed = PostgresEventStore(database, CODEC)  # not entered: nobody takes the commands
    orders = [str(uuid4()) for _ in range(3)]
    waiting = [asyncio.create_task(append_new(closed, order)) for order in orders]
    await asyncio.sleep(0)
    with pytest.raises(StoreBusyError):
        await append_new(closed, str(uuid4()))
    async with closed:
        assert await asyncio.gather(*waiting) == [Appended(1, replayed=False)] * 3
        assert await append_new(closed, str(uuid4())) == Appended(1, replayed=False)


async def test_commands_of_more_bytes_than_may_wait_are_turned_away(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING_BYTES", 1)
    closed = PostgresEventStore(database, CODEC)  # not entered: nobody takes the commands
    waiting = asyncio.create_task(append_new(closed, str(uuid4())))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusyError):
        await append_new(closed, str(uuid4()))
    async with closed:
        assert await waiting == Appended(1, replayed=False)


async def test_large_commands_go_out_in_more_statements_than_small_ones(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_BATCH_BYTES", 1)
    orders = [str(uuid4()) for _ in range(20)]
    async with PostgresEventStore(database, CODEC) as store:
        await asyncio.gather(*[append_new(store, order) for order in orders])
    assert ask(database, "select count(distinct xid::text) from outbox") == len(orders)


async def test_an_event_too_large_to_be_published_is_refused_before_it_is_stored(store: PostgresEventStore) -> None:
    order_id = str(uuid4())
    items = tuple(Item(sku=f"{'x' * 200} {number}", quantity=1, unit_price_minor=1) for number in range(8_000))
    large = msgspec.structs.replace(created(order_id), items=items)
    with pytest.raises(AppendFailedError, match="1000000"):
        await store.append(order_id, 0, [large], command_id=uuid4())
    assert await store.read(order_id) == []


async def test_a_command_whose_caller_has_gone_is_not_appended(database: str) -> None:
    store = PostgresEventStore(database, CODEC)
    order_id, later = str(uuid4()), str(uuid4())
    waiting = asyncio.create_task(append_new(store, order_id))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with store:
        await append_new(store, later)
        assert await store.read(order_id) == []
        assert await append_new(store, order_id) == Appended(1, replayed=False)


async def test_commands_under_way_have_their_outcome_when_the_store_is_closed(database: str) -> None:
    order_id = str(uuid4())
    async with PostgresEventStore(database, CODEC) as store:
        orders = [order_id, order_id, *(str(uuid4()) for _ in range(50))]
        waiting = [asyncio.create_task(append_new(store, order)) for order in orders]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(ConcurrencyError) == 1
    assert outcomes.count(Appended(1, replayed=False)) == 51


async def test_a_server_that_is_not_there_is_a_transient_error() -> None:
    (port,) = free_ports(0)
    async with PostgresEventStore(f"postgresql://orderflow@127.0.0.1:{port}/orderflow", CODEC) as store:
        with pytest.raises(StoreUnavailableError):
            await append_new(store, str(uuid4()))
        with pytest.raises(StoreUnavailableError):
            await store.read(str(uuid4()))


async def test_a_server_that_only_reads_is_a_transient_error_until_its_address_leads_to_one_that_writes(
    store: PostgresEventStore, database: str
) -> None:
    """As while a standby takes over: what is connected to it does not stay there."""
    order_id = str(uuid4())
    with psycopg.connect(database, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set default_transaction_read_only = 'on'").format(name))
        with pytest.raises(StoreUnavailableError, match="read-only"):
            await append_new(store, order_id)
        connection.execute(sql.SQL("set default_transaction_read_only = 'off'"))
        connection.execute(sql.SQL("alter database {} reset default_transaction_read_only").format(name))
    assert (await append_new(store, order_id)).version == 1


async def test_a_command_id_that_another_order_has_just_taken_is_refused_as_such(
    store: PostgresEventStore, database: str
) -> None:
    command_id, order_id = uuid4(), str(uuid4())
    async with await psycopg.AsyncConnection.connect(database) as rival:
        await rival.execute(RECORD, (command_id, uuid4()))
        appending = asyncio.create_task(store.append(order_id, 0, [created(order_id)], command_id=command_id))
        await until_it_waits(database)
        await rival.commit()
        with pytest.raises(CommandReusedError):
            await appending


async def until_it_waits(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as watching:
        await eventually(lambda: watching.execute(WAITING).fetchone() != (0,), "the append waits for its rival")
