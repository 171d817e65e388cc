"""`orderflow status`: one line for each task of each worker."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import aiohttp
import msgspec
import typer
from yarl import URL

from app.cli.printing import AsJson, print_json
from app.config import Settings, load
from app.streaming.names import group_id
from app.web.owners import GroupDirectory, callable_from
from topologies import catalogue

cli = typer.Typer(help="Show every task of every worker.")

LIMIT_S = 5.0


class TaskStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of a task, or that nobody runs it. `dead`: keys that wait for an operator."""

    topology: str
    partition: int
    worker: str | None = None
    state: str = "nobody runs it"
    lag: int = 0
    delayed: int = 0
    parked: int = 0
    parked_behind_dead: int = 0
    dead: int = 0
    brake: str = "open"
    held: str | None = None
    trouble: str | None = None

    @property
    def is_well(self) -> bool:
        return self.state == "active" and self.brake == "open" and not self.dead and self.trouble is None


class _Worker(msgspec.Struct, frozen=True):
    topology: str
    worker: str
    tasks: list[dict[str, object]]


@cli.command()
def status(
    urls: Annotated[
        list[str] | None,
        typer.Argument(help="Addresses of workers; those that the groups in Kafka name when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State, lag, what is parked, dead and held. Exit 1 when a worker does not answer, or when a task does not run, is
    held, or waits for an operator."""
    tasks, silent = asyncio.run(_asked(urls, load()))
    for problem in silent:
        typer.secho(problem, err=True, fg="red")
    if as_json:
        print_json(tasks)
    else:
        for task in tasks:
            typer.secho(_line(task), fg=None if task.is_well else "yellow")
    raise typer.Exit(0 if not silent and all(task.is_well for task in tasks) else 1)


async def _asked(urls: Sequence[str] | None, settings: Settings) -> tuple[list[TaskStatus], list[str]]:
    """The tasks, and what is wrong with workers that do not tell of theirs."""
    expected = [] if urls else [(name, p) for name in catalogue.NAMES for p in range(settings.partitions)]
    where = urls or await _workers(settings)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as session:
        answers = await asyncio.gather(*[_ask(session, url) for url in where])
    silent = [answer for answer in answers if isinstance(answer, str)]
    tasks = [task for answer in answers if not isinstance(answer, str) for task in answer]
    found = {(task.topology, task.partition): task for task in tasks}
    missing = [TaskStatus(topology=name, partition=p) for name, p in expected if (name, p) not in found]
    return sorted([*found.values(), *missing], key=lambda task: (task.topology, task.partition)), silent


async def _workers(settings: Settings) -> list[str]:
    """The addresses of the workers that own tasks now."""
    allowed = callable_from(settings.host)
    groups = [GroupDirectory(settings.kafka, group_id(name), allowed) for name in catalogue.NAMES]
    known = await asyncio.gather(*[group.owners() for group in groups])
    return sorted({owner.url for owners in known for owner in owners.by_partition.values()})


async def _ask(session: aiohttp.ClientSession, url: str) -> list[TaskStatus] | str:
    """The tasks of one worker, or why it does not tell."""
    try:
        async with session.get(URL(url.rstrip("/") + "/tasks", encoded=True)) as answer:
            worker = msgspec.json.decode(await answer.read(), type=_Worker)
            told = [{"topology": worker.topology, "worker": worker.worker, **task} for task in worker.tasks]
            return msgspec.convert(told, list[TaskStatus])
    except (aiohttp.ClientError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
        return f"{url} does not tell: {type(error).__name__}: {error}"


def _line(task: TaskStatus) -> str:
    held = f" ({task.held})" if task.held else ""
    trouble = f"  trouble {task.trouble}" if task.trouble else ""
    return (
        f"{f'{task.topology}[{task.partition}]':<16} {task.state:<10} lag {task.lag}  in retry {task.delayed}  "
        f"parked {task.parked + task.parked_behind_dead}  dead {task.dead}  brake {task.brake}{held}{trouble}  "
        f"{task.worker or ''}"
    ).rstrip()
