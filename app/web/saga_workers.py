"""What workers tell of sagas, asked over HTTP; a `ProblemError` where they do not."""

import asyncio
from typing import TypeVar

import aiohttp
import msgspec
from starlette.responses import Response

from app.sagas.instance import Instance, Status
from app.web import problem
from app.web.gateway import Gateway
from app.web.saga_pages import FULFILMENTS, LISTS, SAGA, SAGAS, SERVICES, Late

LIST_TIMEOUT = aiohttp.ClientTimeout(total=20.0, sock_connect=0.25)
(SAGAS_LIST, _), (NOT_UNDONE_LIST, _), (OVERDUE_LIST, _) = (LISTS[table] for table in (SAGAS, SERVICES[0], FULFILMENTS))
FoundT = TypeVar("FoundT")


class _Row(msgspec.Struct):
    instance: Instance


async def saga(orchestration: Gateway, order_id: str) -> Instance | None:
    """The saga of an order; None when it has not begun."""
    answer = await orchestration.read(SAGA, {"order_id": order_id})
    return None if answer.status_code == 404 else _read(answer, _Row).instance


async def in_state(orchestration: Gateway, state: Status) -> list[Instance]:
    return await _listed(orchestration, SAGAS_LIST, f"?state={state}", list[Instance])


async def not_undone(service: Gateway) -> list[str]:
    """The choreographed orders of which this service could not undo its part."""
    return await _listed(service, NOT_UNDONE_LIST, "", list[str])


async def overdue(outcomes: Gateway) -> list[Late]:
    """The choreographed orders that have no outcome past their deadline."""
    return await _listed(outcomes, OVERDUE_LIST, "", list[Late])


async def _listed(gateway: Gateway, path: str, query: str, kind: type[list[FoundT]]) -> list[FoundT]:
    """What the workers of all partitions list."""
    targets = [f"{path}/{partition}{query}" for partition in range(gateway.partitions)]
    asked = [gateway.ask(partition, target, path[1:], LIST_TIMEOUT) for partition, target in enumerate(targets)]
    return [item for answer in await asyncio.gather(*asked) for item in _read(answer, kind)]


def _read(answer: Response, kind: type[FoundT]) -> FoundT:
    if answer.status_code != 200:
        raise problem.told(bytes(answer.body))
    return msgspec.json.decode(answer.body, type=kind)
