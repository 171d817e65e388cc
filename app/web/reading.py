"""The routes of the views: one for each view, all answered by the gateway."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from app.web.gateway import Readable
from app.web.openapi import problems
from app.web.personal import opened_row
from app.web.views import VIEWS, View

router = APIRouter(tags=["views"])


def _endpoint(view: View) -> Callable[[Request], Awaitable[Response]]:
    async def read(request: Request) -> Response:
        gateway: Readable = request.app.state.gateway
        answer = await gateway.read(view, view.params(request.path_params, request.query_params))
        return await opened_row(request.app.state.people, answer) if view.personal else answer

    return read


def _parameters(view: View) -> list[dict[str, object]]:
    def parameter(name: str, place: str) -> dict[str, object]:
        return {"name": name, "in": place, "required": True, "schema": {"type": "string"}}

    return [
        *(parameter(name, "path") for name in view.path_parameters),
        *(parameter(name, "query") for name in view.query_parameters),
    ]


for _view in VIEWS:
    router.add_api_route(
        _view.path,
        _endpoint(_view),
        name=_view.name,
        summary=_view.summary,
        responses=problems(404, 422, 500, 503),
        openapi_extra={"parameters": _parameters(_view)},
    )
