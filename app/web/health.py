"""What an operator's tools ask of the process: is it alive, can it serve, what did it count."""

import asyncio

from fastapi import APIRouter, Request, Response

from app.eventstore.port import EventStore
from app.observability import metrics
from app.web.problem import ProblemError

READY_LIMIT_SECONDS = 2.0
NO_ORDER = "00000000-0000-0000-0000-000000000000"

router = APIRouter(include_in_schema=False)


@router.api_route("/livez", methods=["GET", "HEAD"])
async def live() -> dict[str, str]:
    return {"status": "alive"}


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def ready(request: Request) -> dict[str, str]:
    """Ready when the event store answers within its limit."""
    store: EventStore = request.app.state.store
    try:
        await asyncio.wait_for(store.read(NO_ORDER), READY_LIMIT_SECONDS)
    except TimeoutError:
        detail = f"the event store did not answer within {READY_LIMIT_SECONDS} s"
        raise ProblemError("UNAVAILABLE", detail) from None
    return {"status": "ready"}


@router.get("/metrics")
async def measured() -> Response:
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
