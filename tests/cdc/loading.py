"""Orders that are placed while something happens, and what the topic must hold of them."""

import asyncio

from app.config import Settings
from app.eventstore.postgres import PostgresEventStore
from app.serde.topics import ORDERS_EVENTS
from tests.chaos.relays import CODEC, appending, check_published
from tests.integration.published_topic import PublishedTopic
from tests.waiting import eventually

# 100 appends a second
ORDERS = 10


class Load:
    """Orders while it is entered; what of them is published afterwards, and checked."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._topic = settings, PublishedTopic(settings.kafka, ORDERS_EVENTS)

    async def __aenter__(self) -> "Load":
        self._before = len(await asyncio.to_thread(self._topic.committed, 0))
        self._store = PostgresEventStore(self._settings.postgres, CODEC)
        await self._store.__aenter__()
        self._appending = appending(self._store, ORDERS)
        self.appended = await self._appending.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._appending.__aexit__(None, None, None)
        await self._store.__aexit__(None, None, None)
        records = await asyncio.to_thread(self._topic.committed, self._before + len(self.appended))
        ours = set(self.appended)
        check_published([record for record in records if CODEC.decode(record.value).event_id in ours], self.appended)

    async def some_more(self) -> None:
        enough = len(self.appended) + 50
        await eventually(lambda: len(self.appended) > enough)
