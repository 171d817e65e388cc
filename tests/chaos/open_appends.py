"""Appends in transactions that stay open: one that is waited for, and many that are rolled back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import AsyncConnection

from app.domain.events import Event
from app.eventstore.arrays import register_arrays
from app.eventstore.batch import APPEND, Command, event_row, parameters
from app.eventstore.session import conninfo
from tests.chaos.relays import CODEC
from tests.contract.order_streams import history

# the role's own limits would end it
UNLIMITED = {"transaction_timeout": 0, "idle_in_transaction_session_timeout": 0}
WRITERS = 2


@asynccontextmanager
async def open_append(database: str, events: Sequence[Event]) -> AsyncIterator[AsyncConnection[Any]]:
    """The connection of a transaction that has appended the events of an order, as the store does. Rolled back in the
    end, unless it was committed.
    """
    order_id, expected = UUID(events[0].order_id), events[0].version - 1
    rows = [event_row(event, CODEC.encode) for event in events]
    command = Command(order_id, expected, uuid4(), b"", rows, asyncio.get_running_loop().create_future())
    connection = await AsyncConnection.connect(conninfo(database, "open", **UNLIMITED))
    try:
        register_arrays(connection)
        await connection.execute(APPEND, parameters([command]), binary=True)
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def rolling_back(database: str) -> AsyncIterator[list[str]]:
    """Appends and rolls back again and again while it is entered; the ids of the events. The server may be killed."""
    undone: list[str] = []
    stop = asyncio.Event()
    writers = [asyncio.create_task(_roll_back(database, undone, stop)) for _ in range(WRITERS)]
    try:
        yield undone
    finally:
        stop.set()
        await asyncio.gather(*writers)


async def _roll_back(database: str, undone: list[str], stop: asyncio.Event) -> None:
    while not stop.is_set():
        events = history(str(uuid4()), 1, 3)
        with contextlib.suppress(psycopg.OperationalError):
            async with open_append(database, events):
                undone.extend(event.event_id for event in events)
                # others commit meanwhile, and wait for it with the relay
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.03)
