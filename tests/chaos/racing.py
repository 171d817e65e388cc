"""One process of a race for the same orders: `python -m tests.chaos.racing DSN SECONDS SEED ORDER...`.

Each append is on what it last read, so most of them lose. Now and then it repeats one of its former commands, whose
answer must be the first one. It goes on until it has seen all of this, and prints how many events it appended, how many
appends it lost, and how many commands it repeated.
"""

import asyncio
import json
import random
import sys
import time
from collections import deque
from uuid import UUID, uuid4

from app.domain.events import Event
from app.errors import ConcurrencyError
from app.eventstore.postgres import PostgresEventStore
from tests.chaos.relays import CODEC
from tests.contract.order_streams import history

REPEATED = 0.1
# as many at once in a process
RACERS = 4

Command = tuple[str, int, list[Event], UUID, int]


class Race:
    """What one process has done so far."""

    def __init__(self, store: PostgresEventStore, orders: list[str], chance: random.Random) -> None:
        self._store, self._orders, self._chance = store, orders, chance
        self._won: deque[Command] = deque(maxlen=50)
        self.counts = {"appended": 0, "lost": 0, "repeated": 0}

    async def run(self, until: float) -> None:
        while time.monotonic() < until or not all(self.counts.values()):
            if self._won and self._chance.random() < REPEATED:
                await self._repeat(*self._chance.choice(self._won))
            else:
                await self._append(self._chance.choice(self._orders))

    async def _append(self, order: str) -> None:
        version, command_id = len(await self._store.read(order)), uuid4()
        events = history(order, version + 1, version + self._chance.randint(1, 3))
        try:
            done = await self._store.append(order, version, events, command_id=command_id)
        except ConcurrencyError as error:
            if not error.expected == version < error.actual:
                raise
            self.counts["lost"] += 1
            return
        assert not done.replayed
        self._won.append((order, version, events, command_id, done.version))
        self.counts["appended"] += len(events)

    async def _repeat(self, order: str, version: int, events: list[Event], command_id: UUID, first: int) -> None:
        done = await self._store.append(order, version, events, command_id=command_id)
        assert (done.version, done.replayed) == (first, True)
        self.counts["repeated"] += 1


async def main(dsn: str, seconds: float, seed: int, orders: list[str]) -> None:
    async with PostgresEventStore(dsn, CODEC) as store:
        race, until = Race(store, orders, random.Random(seed)), time.monotonic() + seconds
        await asyncio.gather(*(race.run(until) for _ in range(RACERS)))
    sys.stdout.write(json.dumps(race.counts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
