"""Fetches for a worker by two clients: its sources at once, and the retry topics, whose records wait anyway, in time.

Brokers look at every partition of a fetch whenever one of them gets a record, and most partitions are of retry topics.
"""

import asyncio

from app.streaming.kafka.clients import Clients
from app.streaming.kafka.fetch import Fetcher, OnError
from app.streaming.record import RecordBatch
from app.streaming.topology import Topology


class Fetchers:
    """As one `Fetcher` of all topics of a topology."""

    def __init__(self, clients: Clients, topology: Topology) -> None:
        self._sources = Fetcher(clients.fetcher(patient=topology.awaited == "nothing"))
        self._retries = Fetcher(clients.fetcher(patient=True))
        self._retry_topics = topology.retry_topics.keys()
        self._fetches: dict[Fetcher, asyncio.Task[list[RecordBatch]]] = {}

    def assign(self, partition: int, positions: dict[str, int]) -> None:
        """Fetch these topics of a task from these offsets, whatever was fetched of them before."""
        for fetcher in (self._sources, self._retries):
            fetcher.assign(partition, {topic: at for topic, at in positions.items() if self._of(topic) is fetcher})

    def unassign(self, partition: int) -> None:
        self._sources.unassign(partition)
        self._retries.unassign(partition)

    def hold(self, topic: str, partition: int, *, hold: bool) -> None:
        """Stop or go on fetching a topic of which much is waiting."""
        self._of(topic).hold(topic, partition, hold=hold)

    def holds(self, partition: int) -> bool:
        """Whether a topic of the task is not fetched now."""
        return self._sources.holds(partition) or self._retries.holds(partition)

    def ends(self, partition: int) -> dict[str, int]:
        """The last known ends of a task's topics, for lag."""
        return self._sources.ends(partition) | self._retries.ends(partition)

    def _of(self, topic: str) -> Fetcher:
        return self._retries if topic in self._retry_topics else self._sources

    async def fetch(self, on_error: OnError) -> list[RecordBatch]:
        """The batches that are there; waits a moment for the first record when there is none."""
        batches: list[RecordBatch] = []
        ended: list[Fetcher] = []
        # how much comes says whether the worker catches up: a wait for retries in vain says nothing of that
        while not batches and self._sources not in ended:
            for fetcher in (self._sources, self._retries):
                if fetcher not in self._fetches:
                    self._fetches[fetcher] = asyncio.create_task(fetcher.fetch(on_error))
            await asyncio.wait(self._fetches.values(), return_when=asyncio.FIRST_COMPLETED)
            ended = [fetcher for fetcher, fetch in self._fetches.items() if fetch.done()]
            batches = [batch for fetcher in ended for batch in self._fetches.pop(fetcher).result()]
        return batches

    async def close(self) -> None:
        """Ends the waits that are under way."""
        await asyncio.gather(*self._fetches.values(), return_exceptions=True)
        await asyncio.gather(self._sources.close(), self._retries.close())
