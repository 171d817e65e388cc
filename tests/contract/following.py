"""Reads all events as who follows them does: page by page, waiting for what is still in progress."""

import asyncio

from app.eventstore.port import START, EventStore, Recorded
from tests.waiting import PATIENCE_S


async def all_events(store: EventStore, count: int, after: str = START, limit: int = 1_000) -> list[Recorded]:
    """The next `count` events: the last ones may wait for any transaction of the server to end."""
    found: list[Recorded] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            page = await store.read_all(found[-1].position if found else after, limit)
            assert len(page) <= limit
            found += page
            await asyncio.sleep(0)
    return found
