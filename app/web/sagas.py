"""`/sagas`: where the sagas of orders stand, for operators, with the same words as `orderflow saga`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response

from app.domain.limits import MAX_TEXT
from app.sagas.instance import Action, Operate
from app.web import saga_models as models
from app.web import saga_shown
from app.web.conditions import command_id
from app.web.models import PRINTABLE
from app.web.openapi import Responses, problems
from app.web.orders import IdempotencyKey
from app.web.saga_desk import Found, SagaDesk

router = APIRouter(prefix="/sagas", tags=["sagas"])


def serve(app: FastAPI, desk: SagaDesk) -> None:
    """Add the pages to the service."""
    app.state.saga_desk = desk
    app.include_router(router)


async def _desk(request: Request) -> SagaDesk:
    desk: SagaDesk = request.app.state.saga_desk
    return desk


Desk = Annotated[SagaDesk, Depends(_desk)]


@router.get("", response_model=models.SagasBody, responses=problems(422, 500, 503))
async def sagas(
    desk: Desk,
    state: Annotated[
        list[models.Listed] | None, Query(description="Those that wait for an operator, if not given.")
    ] = None,
) -> dict[str, Any]:
    """Sagas in these states, the oldest first; of choreographed orders those with a failed undoing, or overdue.

    One whose history cannot be read in time is listed by what is known without it.
    """
    found: list[Found] = []
    wanted: Sequence[models.Listed] = state or (*saga_shown.FAILED, "OVERDUE")
    for each in wanted:
        found += await desk.overdue() if each == "OVERDUE" else await desk.listed(each)
    return {"sagas": [saga_shown.summary(one.instance, one.steps, one.waits_for) for one in found]}


@router.get("/audit", response_model=models.AuditBody, responses=problems(503))
async def acts(desk: Desk) -> dict[str, Any]:
    """What operators asked for, the oldest first."""
    return {"actions": [msgspec.structs.asdict(act) for act in await desk.audit.acts()]}


@router.get("/{order_id}", response_model=models.WholeSagaBody, responses=problems(404, 422, 500, 503))
async def saga(order_id: UUID, desk: Desk) -> dict[str, Any]:
    """The steps of an order of either kind, and its timeline."""
    events = await desk.told(str(order_id))
    found = await desk.find(str(order_id), events)
    return saga_shown.whole(found.instance, found.steps, events)


def _operation(action: Action) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def operate(
        order_id: UUID,
        step: Annotated[str, Path(max_length=MAX_TEXT, pattern=PRINTABLE)],
        body: models.NewOperation,
        desk: Desk,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> dict[str, Any]:
        key = str(command_id(idempotency_key))
        operation = Operate(id=key, action=action, step=step, operator=body.operator, reason=body.reason)
        found, heard = await desk.operate(str(order_id), operation)
        response.status_code = 200 if heard else 202
        return saga_shown.summary(found.instance, found.steps)

    return operate


_SENT: Responses = {202: {"description": "Sent; the saga has not told of it yet."}}
_MEANINGS: dict[Action, str] = {
    "retry": "Ask for the step again, with all its attempts.",
    "skip": "Go on without the step: it stays as it is.",
    "resolve": "Go on: the step was done by hand.",
}
for _action, _meaning in _MEANINGS.items():
    router.add_api_route(
        f"/{{order_id}}/steps/{{step}}/{_action}",
        _operation(_action),
        methods=["POST"],
        name=f"{_action}-step",
        summary=_meaning,
        response_model=models.SagaBody,
        responses={**_SENT, **problems(400, 404, 409, 422, 500, 503)},
    )
