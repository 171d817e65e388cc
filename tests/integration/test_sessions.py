"""A session on PostgreSQL leaves nothing on the server, whenever it is told to end."""

import asyncio
import time

import psycopg
import pytest

from app.eventstore.session import Session

pytestmark = pytest.mark.anyio

LIMIT_S = 5.0
OTHERS = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"


async def others(administrator: psycopg.AsyncConnection[tuple[int]]) -> int:
    cursor = await administrator.execute(OTHERS)
    (count,) = await cursor.fetchone() or (0,)
    return count


async def test_a_connect_that_is_given_up_at_any_moment_holds_no_connection(postgres: str, database: str) -> None:
    async with await psycopg.AsyncConnection[tuple[int]].connect(postgres, autocommit=True) as administrator:
        for after_us in range(0, 10_000, 500):
            session = Session(database, "given-up", LIMIT_S)
            asking = asyncio.create_task(session.run("select 1"))
            await asyncio.wait({asking}, timeout=after_us / 1e6)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await session.close()
        until = time.monotonic() + LIMIT_S
        while await others(administrator):
            assert time.monotonic() < until
            await asyncio.sleep(0.01)


async def test_a_connect_that_is_given_up_serves_the_next_statement(database: str) -> None:
    session = Session(database, "given-up", LIMIT_S)
    asking = asyncio.create_task(session.run("select 1"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await session.run("select 2") == [(2,)]
    await session.close()
