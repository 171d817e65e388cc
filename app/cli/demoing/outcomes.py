"""Counts orders and their outcomes in the event store while a run goes on."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import psycopg

COUNTS = """
select count(*) filter (where type like '%OrderCreated'), count(*) filter (where type like '%OrderConfirmed'),
       count(*) filter (where type like '%OrderCancelled')
from events where type like '%OrderCreated' or type like '%OrderConfirmed' or type like '%OrderCancelled'
"""
LOOK_S = 0.5
STUCK_S = 240.0


class Outcomes(msgspec.Struct, frozen=True):
    orders: int = 0
    confirmed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return self.confirmed + self.cancelled


async def wait_for_all(dsn: str, on_progress: Callable[[Outcomes], None]) -> Outcomes:
    """Until every order has its outcome, or none has got one for `STUCK_S` seconds."""
    last, moved = Outcomes(), time.monotonic()
    while True:
        now = await _count(dsn) or last
        if now != last:
            last, moved = now, time.monotonic()
        on_progress(now)
        if now.ended >= now.orders or time.monotonic() - moved > STUCK_S:
            return now
        await asyncio.sleep(LOOK_S)


async def _count(dsn: str) -> Outcomes | None:
    """The counts, or None while the database does not answer."""
    try:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            row = await (await connection.execute(COUNTS)).fetchone()
    except psycopg.OperationalError:
        return None
    return Outcomes(*row) if row is not None else None
