"""What a worker serves over Faust's web: its own rows, its tasks, its health."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import msgspec

from app.observability import metrics
from app.observability.log import logger
from app.streaming.errors import NotActiveError, TooManyRowsError, UnreadableRowError
from app.streaming.reader import Reader
from app.streaming.table import row_key
from app.web import saga_pages
from app.web.owners import Directory
from app.web.problem import MEDIA_TYPE, Problem, ProblemError
from app.web.views import VIEWS, Params, View, partition_of

log = logger(__name__)

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
            with _told_where_unreadable():
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
            with _told_where_unreadable():
                found = await select(reader, int(partition), request.query)
        except ProblemError as error:
            return _problem(page, error.problem)
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
        rows = _scanned(view, partition, key, reader)
    else:
        found = reader.get(view.table, partition, key)
        rows = [] if found is None else [found]
    try:
        shown = view.render(params, rows)
    except msgspec.MsgspecError as error:  # of a part that is packed within its row
        raise UnreadableRowError(view.table, row_key(key), error) from error
    if shown is None:
        raise ProblemError("DOES_NOT_EXIST", f"{view.name} has no row {'/'.join(key)}; it may come, or never was")
    return shown | {"position": standing.position, "lag": standing.lag}


def _scanned(view: View, partition: int, first: tuple[str, ...], reader: Reader) -> list[Any]:
    try:
        return reader.scan(view.table, partition, first)
    except TooManyRowsError as error:
        raise ProblemError("TOO_MANY_ROWS", f"{error} at {view.alone}") from error


@contextmanager
def _told_where_unreadable() -> Iterator[None]:
    """A row that cannot be read is a problem of its own: no other worker can read it, and nobody need ask again."""
    try:
        yield
    except UnreadableRowError as error:
        log.error("row.unreadable", error=str(error))
        raise ProblemError("STORE_EXCEPTION", str(error)) from error


def _problem(page: Any, problem: Problem) -> Any:
    return page.bytes(problem.body(), content_type=MEDIA_TYPE, status=problem.status, headers=problem.headers)
