"""The address that users read views at: finds the worker that owns a row and hands its answer on unchanged."""

import asyncio
import time

import httpx
from starlette.responses import Response

from app.observability.metrics import VIEW_READS
from app.web.owners import Directory, Owner, Owners
from app.web.problem import MEDIA_TYPE, ProblemError
from app.web.views import Params, View, partition_of

PATIENCE_SECONDS = 1.0
PAUSE_SECONDS = 0.05
TIMEOUT = httpx.Timeout(1.0, connect=0.25)
# of a worker's last word: the row, no such row, or a row that it cannot read
STATUSES = frozenset({200, 404, 500})
FORMS = frozenset({"application/json", MEDIA_TYPE})


class Gateway:
    """Asks the owner, one hop; when it is not the owner any more or does not answer, asks who is, for a second."""

    def __init__(self, directory: Directory, partitions: int, client: httpx.AsyncClient) -> None:
        self._directory, self._partitions, self._client = directory, partitions, client

    async def read(self, view: View, params: Params) -> Response:
        """The owner's answer; a `ProblemError` NOT_ACTIVE when none gives one in time."""
        partition = partition_of(view.partition_key(params), self._partitions)
        target = view.target(params)
        until = time.monotonic() + PATIENCE_SECONDS
        owners = await self._directory.owners()
        while True:
            owner = owners.by_partition.get(partition)
            answer = await self._ask(owner, target) if owner else None
            if answer is not None:
                VIEW_READS.labels(view.name, answer.status_code).inc()
                return _unchanged(answer)
            if time.monotonic() > until:
                VIEW_READS.labels(view.name, "NOT_ACTIVE").inc()
                raise _not_active(partition, owner)
            owners = await self._next(owners)

    async def _next(self, wrong: Owners) -> Owners:
        owners = await self._directory.owners(not_those=wrong)
        if owners.by_partition == wrong.by_partition:
            await asyncio.sleep(PAUSE_SECONDS)
        return owners

    async def _ask(self, owner: Owner, target: str) -> httpx.Response | None:
        """None: it does not answer, or not for this row."""
        try:
            answer = await self._client.get(owner.url + target, timeout=TIMEOUT)
        except httpx.HTTPError:
            return None
        # another program may have the address of a dead worker
        form = answer.headers.get("content-type", "").partition(";")[0]
        return answer if answer.status_code in STATUSES and form in FORMS else None


def new_client() -> httpx.AsyncClient:
    """Calls workers directly: no proxy of the surroundings, no redirect to anywhere else."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    return httpx.AsyncClient(trust_env=False, follow_redirects=False, limits=limits)


def _unchanged(answer: httpx.Response) -> Response:
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


def _not_active(partition: int, owner: Owner | None) -> ProblemError:
    known = {} if owner is None else {"owner": owner.url}
    who = "no worker owns it" if owner is None else f"its owner {owner.name} does not answer for it"
    detail = f"partition {partition} is moving or being restored: {who} yet; ask again"
    return ProblemError("NOT_ACTIVE", detail, partition=partition, **known)
