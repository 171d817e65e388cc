"""One owned task in this process, without a group: for what happens at an exact point between two steps."""

import asyncio
from pathlib import Path

from confluent_kafka import KafkaException

from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import Fetcher
from app.streaming.kafka.offsets import Start
from app.streaming.kafka.owned import OwnedTask
from app.streaming.kafka.worker import now_us
from app.streaming.memory import StateMemory
from app.streaming.stores import Stores
from app.streaming.task import Task
from app.streaming.topology import Topology

TRIES = 4
MEMORY_MB = 64
KEEP_S = 3600.0


class Inside:
    """Fetches and handles as a worker does, but only when told to."""

    def __init__(self, topology: Topology, bootstrap: str, directory: Path, start: Start | None = "earliest") -> None:
        self.clients = Clients(bootstrap, topology.group)
        self.fetcher = Fetcher(self.clients.fetcher())
        self.task = Task(topology, 0, now_us)
        self.owned = OwnedTask(self.task, self.clients, Stores(directory, StateMemory(MEMORY_MB), KEEP_S), start)

    async def reset(self) -> None:
        """Own the task, as it is durable; a broker that has just started is asked again."""
        for left in reversed(range(TRIES)):
            try:
                await self.owned.reset("told")
            except KafkaException as error:
                if not left:
                    raise
                await self.owned.failed(error)
            else:
                break
        self.fetcher.assign(0, self.task.taken)

    async def handle(self, position: int, topic: str = "") -> None:
        """Handle what comes until a topic, the first source unless named, is at `position`; nothing becomes durable."""
        topic = topic or next(iter(self.task.topology.sources))
        while self.task.state.positions[topic] < position:
            for batch in await self.fetcher.fetch(lambda *error: None):
                assert self.task.take(batch)

    async def checkpoint(self) -> None:
        await self.owned.checkpoint(asyncio.Semaphore(1))

    async def close(self) -> None:
        await self.owned.close()
        await self.fetcher.close()
        self.clients.close()
