"""A session on PostgreSQL leaves nothing on the server, whenever it is told to end."""

import asyncio
from typing import Any, TypeAlias

import psycopg
import pytest

from app.eventstore.session import Session
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.anyio

CONNECTED = """select pid, datname, application_name, state, wait_event, query from pg_stat_activity
               where backend_type = 'client backend' and pid <> pg_backend_pid()"""

Backend: TypeAlias = tuple[Any, ...]


async def connected(administrator: psycopg.AsyncConnection[Backend]) -> dict[int, Backend]:
    return {row[0]: row for row in await (await administrator.execute(CONNECTED)).fetchall()}


async def test_a_connect_that_is_given_up_at_any_moment_holds_no_connection(postgres: str, database: str) -> None:
    async with await psycopg.AsyncConnection[Backend].connect(postgres, autocommit=True) as administrator:
        before = await connected(administrator)
        for after_us in range(0, 10_000, 500):
            session = Session(database, "given-up", PATIENCE_S)
            asking = asyncio.create_task(session.run("select 1"))
            await asyncio.wait({asking}, timeout=after_us / 1e6)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await session.close()

        async def are_as_before() -> bool:
            return (await connected(administrator)).keys() <= before.keys()

        await eventually(are_as_before, "nothing is connected for those that were given up")


async def test_a_connect_that_is_given_up_serves_the_next_statement(database: str) -> None:
    session = Session(database, "given-up", PATIENCE_S)
    asking = asyncio.create_task(session.run("select 1"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await session.run("select 2") == [(2,)]
    await session.close()
