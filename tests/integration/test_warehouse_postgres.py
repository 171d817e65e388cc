"""The warehouse on PostgreSQL: its books after a rush, broken connections, held locks, a server that hangs or dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from app.domain.calls import Released, ReleaseStock, Reserve, Reserved
from app.domain.events import Item
from app.embedded.postgres import PostgresServer
from app.gateways.ports import CallRejectedError, PartyUnavailableError
from app.gateways.warehouse import PostgresWarehouse
from app.migrations import upgrade
from tests.killing import kill
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

OURS = """
select pid from pg_stat_activity where application_name = 'orderflow-warehouse' and datname = current_database()
"""
WAITING = f"select exists (select from pg_locks where not granted and pid in ({OURS}))"

BOOKS = """
select s.sku, s.received, s.reserved, s.available,
    (select coalesce(sum(l.quantity), 0)::bigint from warehouse.receipt_lines l where l.sku = s.sku),
    (select coalesce(sum(l.quantity), 0)::bigint
     from warehouse.reservation_lines l join warehouse.reservations r using (order_id, order_version)
     where l.sku = s.sku and r.state = 'reserved')
from warehouse.stock s
"""


@pytest.fixture
async def warehouse(database: str) -> AsyncIterator[PostgresWarehouse]:
    warehouse = PostgresWarehouse(database, timeout_seconds=10.0)
    await warehouse.receive("opening", [("first", 1000), ("second", 1000)])
    yield warehouse
    await warehouse.close()


@pytest.fixture
async def impatient(database: str) -> AsyncIterator[PostgresWarehouse]:
    warehouse = PostgresWarehouse(database, timeout_seconds=3.0)
    yield warehouse
    await warehouse.close()


@pytest.fixture
async def other(database: str) -> AsyncIterator[AsyncConnection]:
    """A client of the same database that is not ours."""
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def own_server(session_directory: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(session_directory / f"warehouse-{uuid4().hex}")
    server.start()
    yield server
    server.stop()


def reserve(*skus: str) -> Reserve:
    items = tuple(Item(sku=sku, quantity=1, unit_price_minor=100) for sku in skus)
    return Reserve(order_id=str(uuid4()), order_version=1, items=items)


def release(call: Reserve) -> ReleaseStock:
    return ReleaseStock(order_id=call.order_id, order_versions=(call.order_version,))


async def value(connection: AsyncConnection, query: str) -> object:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row[0]


async def test_books_add_up_after_a_rush(warehouse: PostgresWarehouse, other: AsyncConnection) -> None:
    random = Random(7)
    skus = [f"sku-{number}" for number in range(12)]
    await warehouse.receive("rush", [(sku, 40) for sku in skus])

    async def come_and_go() -> None:
        call = reserve(*random.choices(skus, k=random.randint(1, 8)))
        answer = await warehouse.perform(call)
        if random.random() < 0.5:
            released = await warehouse.perform(release(call))
            assert released == Released((1,) if answer == Reserved() else ())

    await asyncio.gather(*(come_and_go() for _ in range(300)))
    books = await (await other.execute(BOOKS)).fetchall()
    assert len(books) == 14
    for _, received, reserved, available, receipts, reservations in books:
        assert (received, reserved, available) == (receipts, reservations, receipts - reservations)


async def test_calls_made_at_once_share_a_handful_of_connections(
    warehouse: PostgresWarehouse, other: AsyncConnection
) -> None:
    await asyncio.gather(*(warehouse.perform(reserve("first")) for _ in range(64)))
    assert await value(other, f"select count(*) from ({OURS}) ours") == 8


async def test_connections_cut_while_idle_are_not_noticed(warehouse: PostgresWarehouse, other: AsyncConnection) -> None:
    await asyncio.gather(*(warehouse.perform(reserve("first")) for _ in range(64)))
    await other.execute(f"select pg_terminate_backend(pid, 10000) from ({OURS}) ours")
    answers = await asyncio.gather(*(warehouse.perform(reserve("first")) for _ in range(64)))
    assert set(answers) == {Reserved()}


async def test_held_lock_means_unavailable_until_it_is_given_back(
    warehouse: PostgresWarehouse, impatient: PostgresWarehouse, other: AsyncConnection
) -> None:
    call = reserve("first")
    async with other.transaction():
        await other.execute("select from warehouse.stock where sku = 'first' for update")
        with pytest.raises(PartyUnavailableError, match="warehouse"):
            await impatient.perform(call)
    assert await warehouse.perform(call) == Reserved()


async def test_deadlock_means_unavailable(warehouse: PostgresWarehouse, other: AsyncConnection) -> None:
    call = reserve("first", "second")
    async with other.transaction(), asyncio.TaskGroup() as group:
        await other.execute("select from warehouse.stock where sku = 'second' for update")
        asked = group.create_task(failure(warehouse, call))
        async with await AsyncConnection.connect(other.info.dsn, password=other.info.password) as watcher:
            await eventually(lambda: value(watcher, WAITING), "it waits for the lock")
        await other.execute("select from warehouse.stock where sku = 'first' for update")
    assert "DeadlockDetected" in str(asked.result())
    assert await warehouse.perform(call) == Reserved()


async def failure(warehouse: PostgresWarehouse, call: Reserve) -> PartyUnavailableError:
    with pytest.raises(PartyUnavailableError) as caught:
        await warehouse.perform(call)
    return caught.value


async def test_server_that_hangs_means_unavailable_and_a_new_connection(
    warehouse: PostgresWarehouse, impatient: PostgresWarehouse, other: AsyncConnection
) -> None:
    await warehouse.close()
    call = reserve("first")
    await impatient.perform(reserve("first"))
    backend = await value(other, OURS)
    assert isinstance(backend, int)
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(PartyUnavailableError, match="no answer within"):
            await impatient.perform(call)
        assert await impatient.perform(call) == Reserved()
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_call_given_up_by_its_caller_keeps_no_connection(
    warehouse: PostgresWarehouse, other: AsyncConnection
) -> None:
    async with other.transaction():
        await other.execute("select from warehouse.stock where sku = 'first' for update")
        calls = [asyncio.ensure_future(warehouse.perform(reserve("first"))) for _ in range(20)]
        await eventually(lambda: value(other, WAITING), "they wait for the lock")
        for call in calls:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        assert await warehouse.perform(reserve("second")) == Reserved()


async def test_nobody_listening_means_unavailable() -> None:
    warehouse = PostgresWarehouse("postgresql://nobody@127.0.0.1:1/nothing", timeout_seconds=10.0)
    with pytest.raises(PartyUnavailableError, match="warehouse"):
        await warehouse.perform(reserve("first"))
    await warehouse.close()


@pytest.mark.parametrize(
    "call",
    [
        Reserve(order_id="nul\0", order_version=1, items=()),
        Reserve(order_id="wide", order_version=2**70, items=()),
        ReleaseStock(order_id="wide", order_versions=(2**70,)),
    ],
)
async def test_value_that_the_database_cannot_hold_is_rejected(warehouse: PostgresWarehouse, call: object) -> None:
    with pytest.raises(CallRejectedError, match="warehouse"):
        await warehouse.perform(call)


async def test_closed_warehouse_leaves_no_connection(warehouse: PostgresWarehouse, other: AsyncConnection) -> None:
    calls = [asyncio.ensure_future(warehouse.perform(reserve("first"))) for _ in range(20)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    await warehouse.close()
    await eventually(lambda: value(other, f"select not exists ({OURS})"), "nothing is connected")


class Callers:
    """Reserve order after order, repeating each call until it is answered."""

    def __init__(self, warehouse: PostgresWarehouse) -> None:
        self._warehouse = warehouse
        self.serving = asyncio.Event()
        self.answered: list[str] = []
        self.stopping = False
        self.progress = asyncio.Condition()

    async def run(self) -> None:
        while not self.stopping:
            call = reserve("first")
            while not await self._answers(call):
                pass
            self.answered.append(call.order_id)
            async with self.progress:
                self.progress.notify_all()

    async def until_answered(self, count: int) -> None:
        async with self.progress:
            await self.progress.wait_for(lambda: len(self.answered) >= count)

    async def _answers(self, call: Reserve) -> bool:
        await self.serving.wait()
        try:
            return await self._warehouse.perform(call) == Reserved()
        except PartyUnavailableError:
            return False


async def test_every_answer_survives_a_killed_server(own_server: PostgresServer) -> None:
    upgrade(own_server.dsn)
    warehouse = PostgresWarehouse(own_server.dsn, timeout_seconds=10.0)
    await warehouse.receive("opening", [("first", 100_000)])
    callers = Callers(warehouse)
    callers.serving.set()
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(callers.run())
        for count in (150, 300, 450):
            await callers.until_answered(count)
            callers.serving.clear()
            await asyncio.to_thread(kill, own_server)
            await asyncio.to_thread(own_server.restart)
            callers.serving.set()
        await callers.until_answered(600)
        callers.stopping = True
    await warehouse.close()
    with psycopg.connect(own_server.dsn) as connection:
        reserved = connection.execute("select order_id from warehouse.reservations where state = 'reserved'").fetchall()
        assert sorted(order_id for (order_id,) in reserved) == sorted(callers.answered)
        assert connection.execute("select reserved from warehouse.stock").fetchall() == [(len(callers.answered),)]
