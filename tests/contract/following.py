"""Reads all events as who follows them does: page by page, waiting for what is still in progress."""

from app.eventstore.port import START, EventStore, Recorded
from tests.waiting import eventually


async def all_events(store: EventStore, count: int, after: str = START, limit: int = 1_000) -> list[Recorded]:
    """The next `count` events: the last ones may wait for any transaction of the server to end."""
    found: list[Recorded] = []

    async def are_all() -> bool:
        while len(found) < count and (page := await store.read_all(found[-1].position if found else after, limit)):
            assert len(page) <= limit
            found.extend(page)
        return len(found) >= count

    await eventually(are_all, f"{count} events")
    return found
