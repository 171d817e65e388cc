"""Asks the workers how many records are parked behind dead heads in the tasks that a campaign would send to."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import aiohttp

from app.config import Settings
from app.deadletters.choosing import Chosen
from app.web.gateway import new_client
from app.web.owners import GroupDirectory, callable_from

LIMIT_S = 5.0

Task: TypeAlias = tuple[str, int]


def parked(settings: Settings, letters: Sequence[Chosen]) -> dict[Task, int | None]:
    """(consumer group, partition) -> records parked behind dead heads; None where no worker tells."""
    tasks = {(one.entry.consumer_group, int(one.entry.id.rsplit(":", 2)[1])) for one in letters}
    return asyncio.run(_parked(settings, tasks))


async def _parked(settings: Settings, tasks: Collection[Task]) -> dict[Task, int | None]:
    found: dict[Task, int | None] = dict.fromkeys(sorted(tasks))
    async with new_client() as client:
        for group in {group for group, _ in tasks}:
            try:
                async with asyncio.timeout(LIMIT_S):
                    told = await _of_group(settings, client, group)
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                continue  # a plan does not fail because a worker is down
            found |= {task: told.get(task[1]) for task in found if task[0] == group}
    return found


async def _of_group(settings: Settings, client: aiohttp.ClientSession, group: str) -> dict[int, int]:
    owners = await GroupDirectory(settings.kafka, group, callable_from(settings.host)).owners()
    told: dict[int, int] = {}
    for url in {owner.url for owner in owners.by_partition.values()}:
        async with client.get(f"{url}/tasks") as answer:
            tasks: list[dict[str, Any]] = (await answer.json())["tasks"]
        told |= {task["partition"]: task["parked_behind_dead"] for task in tasks}
    return told
