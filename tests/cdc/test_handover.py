"""The outbox changes sides while orders are placed: every event is published once, those of an order in order.

HANDOVERS=10 makes ten of each direction and kills at each step; without it there are few.
"""

import asyncio
import os

import pytest

from app.config import Settings
from app.eventstore.postgres import PostgresEventStore
from app.serde.topics import ORDERS_EVENTS
from tests.cdc.handing import STEPS, publisher, use, use_and_die
from tests.chaos.relays import CODEC, appending, check_published, until
from tests.integration.published_topic import PublishedTopic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

HANDOVERS = int(os.environ.get("HANDOVERS", "0"))
# 300 appends a second
ORDERS = 10
KILLS = [(side, step) for side, steps in STEPS.items() for step in steps]
FEW_KILLS = [("cdc", "stopping the connector"), ("cdc", "starting the connector"), ("relay", "starting the relay")]


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
        await until(lambda: len(self.appended) > enough)


async def test_each_side_takes_over_from_the_other_under_load(system: Settings) -> None:
    await asyncio.to_thread(use, "relay", system)
    async with Load(system) as load:
        for _ in range(HANDOVERS or 1):
            for side in ("cdc", "relay"):
                await asyncio.to_thread(use, side, system)
                assert publisher(system) == side
                await load.some_more()


@pytest.mark.parametrize(("side", "step"), KILLS if HANDOVERS else FEW_KILLS)
@pytest.mark.parametrize("then", ["on", "back"])
async def test_a_handover_that_is_killed_goes_on_or_back(system: Settings, side: str, step: str, then: str) -> None:
    other = "relay" if side == "cdc" else "cdc"
    await asyncio.to_thread(use, other, system)
    async with Load(system) as load:
        await asyncio.to_thread(use_and_die, side, step, system)
        await load.some_more()
        wanted = side if then == "on" else other
        await asyncio.to_thread(use, wanted, system)
        assert publisher(system) == wanted
        await load.some_more()
