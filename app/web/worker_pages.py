"""What a worker serves over Faust's web: its own rows, its tasks, its health."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import msgspec

from app.observability import metrics
from app.streaming.errors import NotActiveError
from app.streaming.reader import Reader
from app.web import saga_pages
from app.web.owners import Directory
from app.web.problem import MEDIA_TYPE, Problem, ProblemError
from app.web.views import VIEWS, Params, View, partition_of

Page: TypeAlias = Callable[..., Awaitable[Any]]
OWNER_SECONDS = 0.25  # below the gateway's patience with one worker


class Status(Protocol):
    """What the worker says of itself."""

    def tasks(self) -> dict[str, object]: ...
    def measure(self) -> None:
        """Sets the gauges to what is now."""
        ...

    def held(self) -> list[str]:
        """What it does not go on with, though it serves, and why."""
        ...

    def unready(self) -> str | None:
        """Why the worker should get no traffic now, if it should not."""
        ...


def mount(
    app: Any, name: str, partitions: int, reader: Reader, status: Status, topology_tables: set[str], group: Directory
) -> None:
    """Add the pages to a Faust app; only views whose table this topology has are served. `group` knows all owners."""
    views = [view for view in (*VIEWS, saga_pages.SAGA) if view.table in topology_tables]

    async def live(page: Any, request: Any) -> Any:
        return page.json({"status": "alive"})

    async def ready(page: Any, request: Any) -> Any:
        reason = status.unready()
        if reason is None:
            return page.json({"status": "ready", "held": status.held()})
        return _problem(page, Problem("UNAVAILABLE", reason))

    async def measured(page: Any, request: Any) -> Any:
        status.measure()
        return page.bytes(metrics.exposition(), content_type=metrics.CONTENT_TYPE.split(";")[0])

    async def tasks(page: Any, request: Any) -> Any:
        return page.json(status.tasks())

    async def row(page: Any, request: Any, place: str) -> Any:
        try:
            view, params = _found(views, f"/views/{place}", dict(request.query))
            partition = partition_of(view.partition_key(params), partitions)
            shown = _rendered(view, params, partition, reader) | {"worker": name}
            return page.bytes(msgspec.json.encode(shown), content_type="application/json")
        except ProblemError as error:
            return _problem(page, error.problem)
        except NotActiveError as error:
            return _problem(page, Problem("NOT_ACTIVE", str(error), await _owner(group, partition, name)))

    pages: dict[str, Page] = {
        "/livez": live,
        "/readyz": ready,
        "/metrics": measured,
        "/tasks": tasks,
        "/views/{place:.+}": row,
    }
    pages |= {
        f"{path}/{{partition:[0-9]+}}": _listing(select, reader)
        for table, (path, select) in saga_pages.LISTS.items()
        if table in topology_tables
    }
    for path, page in pages.items():
        app.page(path)(page)


def _listing(select: saga_pages.Select, reader: Reader) -> Page:
    async def listed(page: Any, request: Any, partition: str) -> Any:
        try:
            found = await select(reader, int(partition), request.query)
        except NotActiveError as error:
            return _problem(page, Problem("NOT_ACTIVE", str(error)))
        return page.bytes(found, content_type="application/json")

    return listed


def _found(views: list[View], path: str, query: dict[str, str]) -> tuple[View, Params]:
    for view in views:
        params = view.match(path, query)
        if params is not None:
            return view, params
    raise ProblemError("NOT_FOUND", f"{path} is no view of this worker; the API's /docs lists them")


async def _owner(group: Directory, partition: int, name: str) -> dict[str, object]:
    """Who owns it by the group's word of now, when that comes soon and is another worker."""
    try:
        async with asyncio.timeout(OWNER_SECONDS):
            owners = await group.owners(not_those=await group.owners())
    except TimeoutError:
        return {}
    owner = owners.by_partition.get(partition)
    return {} if owner is None or owner.name == name else {"owner": owner.url}


def _rendered(view: View, params: Params, partition: int, reader: Reader) -> dict[str, Any]:
    standing, key = reader.standing(partition), view.row_key(params)
    if view.scan:
        rows = reader.scan(view.table, partition, key)
    else:
        found = reader.get(view.table, partition, key)
        rows = [] if found is None else [found]
    shown = view.render(params, rows)
    if shown is None:
        raise ProblemError("DOES_NOT_EXIST", f"{view.name} has no row {'/'.join(key)}; it may come, or never was")
    return shown | {"position": standing.position, "lag": standing.lag}


def _problem(page: Any, problem: Problem) -> Any:
    return page.bytes(problem.body(), content_type=MEDIA_TYPE, status=problem.status, headers=problem.headers)
