"""The address that users read views at: finds the worker that owns a row and hands its answer on unchanged."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

import aiohttp
from starlette.responses import Response
from yarl import URL

from app.observability.metrics import VIEW_READS
from app.web.owners import Directory, Owner, Owners
from app.web.problem import MEDIA_TYPE, ProblemError
from app.web.views import Params, View, partition_of

PATIENCE_SECONDS = 1.0
PAUSE_SECONDS = 0.05
TIMEOUT = aiohttp.ClientTimeout(total=1.0, sock_connect=0.25)
CONNECTIONS = 200
# of a worker's last word, by status: the row; no such row, more rows than it gives out, or one that it cannot read
FORMS = {200: "application/json", 404: MEDIA_TYPE, 422: MEDIA_TYPE, 500: MEDIA_TYPE}


class Readable(Protocol):
    """Where views are read."""

    async def read(self, view: View, params: Params) -> Response: ...


class Gateway:
    """Asks the owner, one hop; when it is not the owner any more or does not answer, asks who is, for a second."""

    def __init__(self, directory: Directory, partitions: int, client: aiohttp.ClientSession) -> None:
        self._directory, self.partitions, self._client = directory, partitions, client

    async def read(self, view: View, params: Params) -> Response:
        """The answer of the owner of a view's row."""
        partition = partition_of(view.partition_key(params), self.partitions)
        return await self.ask(partition, view.target(params), view.name)

    async def ask(self, partition: int, target: str, name: str, limit: aiohttp.ClientTimeout = TIMEOUT) -> Response:
        """The owner's answer; a `ProblemError` NOT_ACTIVE when none gives one in time. `limit` is that of one call."""
        until = time.monotonic() + PATIENCE_SECONDS
        owners = await self._directory.owners()
        while True:
            owner = owners.by_partition.get(partition)
            answer = await self._ask(owner, target, limit) if owner else None
            if answer is not None:
                VIEW_READS.labels(name, answer.status_code).inc()
                return answer
            if time.monotonic() > until:
                VIEW_READS.labels(name, "NOT_ACTIVE").inc()
                raise _not_active(partition, owner)
            owners = await self._next(owners)

    async def _next(self, wrong: Owners) -> Owners:
        owners = await self._directory.owners(not_those=wrong)
        if owners.by_partition == wrong.by_partition:
            await asyncio.sleep(PAUSE_SECONDS)
        return owners

    async def _ask(self, owner: Owner, target: str, limit: aiohttp.ClientTimeout) -> Response | None:
        """None: it does not answer, or not for this row."""
        url = URL(owner.url + target, encoded=True)
        try:
            async with self._client.get(url, allow_redirects=False, timeout=limit) as answer:
                # another program may have the address of a dead worker
                if FORMS.get(answer.status) != answer.content_type:
                    return None
                return Response(await answer.read(), answer.status, media_type=answer.headers["content-type"])
        except (aiohttp.ClientError, TimeoutError):
            return None


class Gateways:
    """One for each topology that has views."""

    def __init__(self, by_topology: Mapping[str, Gateway]) -> None:
        self._by_topology = by_topology

    async def read(self, view: View, params: Params) -> Response:
        """As that of the view's topology reads it."""
        return await self._by_topology[view.topology].read(view, params)


def new_client() -> aiohttp.ClientSession:
    """Calls workers directly, by no proxy of the surroundings; keeps no cookie, adds no header but what HTTP needs."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
    )


def _not_active(partition: int, owner: Owner | None) -> ProblemError:
    known = {} if owner is None else {"owner": owner.url}
    who = "no worker owns it" if owner is None else f"its owner {owner.name} does not answer for it"
    detail = f"partition {partition} is moving or being restored: {who} yet; ask again"
    return ProblemError("NOT_ACTIVE", detail, partition=partition, **known)
