"""The event store while its PostgreSQL is killed or stands still."""

import asyncio
import os
import signal
from uuid import uuid4

import psycopg
import pytest

from app.embedded.postgres import PostgresServer
from app.eventstore.port import StoreUnavailableError
from app.eventstore.postgres import PostgresEventStore
from tests.chaos.relays import CODEC, appending, until
from tests.contract.order_streams import created

pytestmark = pytest.mark.anyio

KILLS = 3


async def test_no_acknowledged_event_is_lost_or_doubled_when_postgres_is_killed(own_postgres: PostgresServer) -> None:
    async with PostgresEventStore(own_postgres.dsn, CODEC) as store, appending(store, orders=20) as appended:
        for _ in range(KILLS):
            reached = len(appended) + 100
            await until(lambda reached=reached: len(appended) > reached)  # type: ignore[misc]
            assert own_postgres.process is not None
            own_postgres.process.kill()
            own_postgres.process.wait()
            await asyncio.to_thread(own_postgres.start)
    with psycopg.connect(own_postgres.dsn) as connection:
        stored = [event_id for (event_id,) in connection.execute("select event_id::text from events").fetchall()]
    assert sorted(stored) == sorted(appended)


async def test_a_postgres_that_stands_still_is_not_waited_for_and_is_used_when_it_goes_on(
    own_postgres: PostgresServer,
) -> None:
    order_id, command_id = str(uuid4()), uuid4()
    events = [created(order_id)]
    async with PostgresEventStore(own_postgres.dsn, CODEC) as store:
        for _ in range(4):  # so that the connections are there before it stands still
            await store.append(order_id, 0, events, command_id=command_id)
        processes = server_processes(own_postgres)
        send(processes, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailableError):
                await store.append(order_id, 0, events, command_id=command_id)
        finally:
            send(processes, signal.SIGCONT)
        assert (await store.append(order_id, 0, events, command_id=command_id)).replayed
        assert await store.read(order_id) == events


def server_processes(server: PostgresServer) -> list[int]:
    assert server.process is not None
    with psycopg.connect(server.dsn) as connection:
        activity = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    return [server.process.pid, *(pid for (pid,) in activity)]


def send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)
