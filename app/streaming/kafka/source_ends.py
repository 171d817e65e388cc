"""Asks for the ends of a task's topics while it does not fetch them: its client does not tell these. For lag alone."""

import asyncio
import time

from confluent_kafka import KafkaException

from app.streaming.kafka.clients import Clients
from app.streaming.kafka.offsets import committed_ends
from app.streaming.task import Task

EVERY_S = 3.0


class SourceEnds:
    """`known`: as it was when it was asked last."""

    def __init__(self, task: Task, clients: Clients) -> None:
        self._task, self._clients = task, clients
        self.known: dict[str, int] = {}
        self._asked_at, self._asks = float("-inf"), False

    def are_due(self) -> bool:
        return not self._asks and time.monotonic() - self._asked_at > EVERY_S

    async def ask(self) -> None:
        self._asks = True
        topics, partition = list(self._task.topology.input_topics), self._task.partition
        try:
            self.known = await asyncio.to_thread(committed_ends, self._clients.ends, topics, partition)
        except (KafkaException, RuntimeError):
            """A broker is away, or the client is closed: what was known stands."""
        finally:
            self._asked_at, self._asks = time.monotonic(), False
