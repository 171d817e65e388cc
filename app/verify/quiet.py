"""Decides whether the system is quiet: nothing is under way, so that what is read belongs together."""

import asyncio
from time import monotonic
from typing import Any

import msgspec

from app.verify.database import Database
from app.verify.http import NoAnswerError, Services
from app.verify.kafka import KafkaReader, Offsets, Place
from app.verify.model import INVENTORY, ORDERS, PAYMENTS, TOPICS

# What each topology reads, besides the topics that it writes for itself.
SOURCES = {
    "order-views": TOPICS,
    "payments": (ORDERS, "payments.commands"),
    "inventory": (PAYMENTS, ORDERS, "inventory.commands"),
    "shipping": (INVENTORY, ORDERS, "shipping.commands"),
    "fulfilment": TOPICS,
    "orchestration": (*TOPICS, "fulfilment.commands"),
    "reconciliation": (ORDERS, PAYMENTS, INVENTORY),
    "alerts": ("alerts",),
}
PAUSE = 0.3


class Standing(msgspec.Struct, kw_only=True):
    """Where everything stands. `behind`: places where records wait; `open`: places with an open transaction."""

    unpublished: int
    captured: bool
    groups: dict[str, Offsets]
    behind: dict[str, set[Place]]
    open: set[Place]
    tasks: dict[str, list[dict[str, Any]]]
    silent: list[str]


def group_of(topology: str) -> str:
    return f"orderflow-{topology}"


def inputs(topology: str, topics: dict[str, int]) -> list[str]:
    """Every topic that the topology reads: its sources, and those that it writes for itself."""
    group = group_of(topology)
    own = [
        topic
        for topic in topics
        if topic.startswith((f"{group}-retry-", f"{group}-redrive"))
        or (topic.startswith(f"{group}-") and topic.endswith("-repartition"))
    ]
    return [*SOURCES[topology], *sorted(own)]


def not_quiet(standing: Standing) -> list[str]:
    """What is under way, in words; empty when all is quiet."""
    found = [f"the relay has yet to publish {standing.unpublished} events"] if standing.unpublished else []
    found += [] if standing.captured else ["change data capture has yet to publish events"]
    found += [f"{topic}[{partition}] has an open transaction" for topic, partition in sorted(standing.open)]
    for topology in SOURCES:
        places = sorted(standing.behind[topology])
        found += [f"{topology} has yet to read {topic}[{partition}]" for topic, partition in places]
        found += _of_tasks(topology, standing)
    return [*found, *standing.silent]


def _of_tasks(topology: str, standing: Standing) -> list[str]:
    tasks = {task["partition"]: task for task in standing.tasks[topology]}
    partitions = {partition for _, partition in standing.groups[topology]}
    found = [f"{topology}[{partition}] has no worker" for partition in sorted(partitions - tasks.keys())]
    for partition, task in sorted(tasks.items()):
        where = f"{topology}[{partition}]"
        if task["state"] != "active":
            found.append(f"{where} is {task['state']}")
        if task["in_flight"]:
            found.append(f"{where} has {task['in_flight']} records in flight")
        if task["timers"]:
            found.append(f"{where} waits for {task['timers']} timers")
        if task["parked"]:  # those behind a dead letter are counted elsewhere
            found.append(f"{where} has {task['parked']} parked records")
        if task["dirty"]:
            found.append(f"{where} has effects that are not committed")
    return found


class Quiet:
    """Looks at the running system until it is quiet."""

    def __init__(self, kafka: KafkaReader, database: Database, services: Services) -> None:
        self._kafka, self._database, self._services = kafka, database, services

    async def wait(self, timeout: float) -> tuple[str, ...]:
        """Returns when all is quiet, or after `timeout` seconds with what is not."""
        until = monotonic() + timeout
        while True:
            busy = await self._look()
            if not busy or monotonic() > until:
                return tuple(busy)
            await asyncio.sleep(PAUSE)

    async def _look(self) -> list[str]:
        topics = await asyncio.to_thread(self._kafka.topics)
        read = {topic for topology in SOURCES for topic in inputs(topology, topics)}
        missing = [f"topic {topic} does not exist" for topic in sorted(read - topics.keys())]
        ends = await asyncio.to_thread(self._kafka.ends, sorted(read & topics.keys()))
        standing = await self._standing(topics, ends)
        busy = [*missing, *not_quiet(standing)]
        # the parts were looked at one after the other: only when nothing was written meanwhile do they fit together
        if not busy and ends != await asyncio.to_thread(self._kafka.ends, sorted(read)):
            return ["the topics still grow"]
        return busy

    async def _standing(self, topics: dict[str, int], ends: Offsets) -> Standing:
        high = await asyncio.to_thread(self._kafka.ends, sorted({topic for topic, _ in ends}), committed=False)
        standing = Standing(
            unpublished=await self._database.unpublished(),
            captured=await self._database.captured(),
            groups={},
            behind={},
            open={place for place, end in high.items() if end > ends[place]},
            tasks={},
            silent=[],
        )
        for topology in SOURCES:
            wanted = {place: end for place, end in ends.items() if place[0] in inputs(topology, topics)}
            standing.groups[topology] = wanted
            standing.behind[topology] = await asyncio.to_thread(self._behind, group_of(topology), wanted)
            standing.tasks[topology] = await self._tasks(topology, standing.silent)
        return standing

    def _behind(self, group: str, ends: Offsets) -> set[Place]:
        committed = self._kafka.committed(group)
        since = {place: max(committed.get(place, 0), 0) for place, end in ends.items()}
        return self._kafka.holds_records({place: since[place] for place, end in ends.items() if since[place] < end})

    async def _tasks(self, topology: str, silent: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for client_id in await asyncio.to_thread(self._kafka.members, group_of(topology)):
            _, _, address = client_id.partition("@")
            try:
                answer = await self._services.get(f"http://{address}/tasks", patience=0) if address else None
            except NoAnswerError as error:
                silent.append(f"worker {client_id} of {topology}: {error}")
            else:
                found += answer["tasks"] if answer else []
        return found
