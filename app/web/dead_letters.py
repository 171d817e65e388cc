"""`/failures`: dead letters for operators, with the same words as `orderflow dlq`."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response

from app.deadletters import audit, keys, planned, reading, runs, shown
from app.deadletters.choosing import Action
from app.deadletters.desk import FilledDesk
from app.deadletters.edits import edited
from app.deadletters.office import Office
from app.deadletters.reading import OPEN, Filter
from app.deadletters.runs import Order
from app.streaming.letters import Letter
from app.streaming.names import group_id
from app.web import dead_letter_models as models
from app.web.models import PRINTABLE
from app.web.openapi import Responses, problems
from app.web.problem import ProblemError

WHO = "api"

router = APIRouter(prefix="/failures", tags=["failures"])


def serve(app: FastAPI, office: Office) -> None:
    """Add the pages to the service; the office is open for as long as it serves."""
    app.state.office = office
    app.include_router(router)


async def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


Opened = Annotated[Office, Depends(_office)]
Named = Annotated[str, Path(pattern=PRINTABLE)]


@router.get("", response_model=models.GroupsBody, responses=problems(422, 503))
def groups(
    office: Opened,
    topology: Annotated[str | None, Query(pattern=PRINTABLE)] = None,
    state: Annotated[list[models.State] | None, Query(description="Dead and redriving, if not given.")] = None,
) -> dict[str, Any]:
    """Letters by what they died of, the largest group first."""
    asked = Filter(states=tuple(state or OPEN), consumer_group=None if topology is None else group_id(topology))
    with office.reading() as desk:
        return {"groups": [shown.failure(count) for count in reading.failures(desk.connection, asked)]}


@router.get("/groups/{failure}", response_model=models.WholeGroupBody, responses=problems(404, 422, 503))
def group(failure: Named, office: Opened) -> dict[str, Any]:
    """One group with its notes and its open letters."""
    with office.reading() as desk:
        return desk.failure(failure)


@router.get("/letters/{letter_id}", response_model=models.WholeLetterBody, responses=problems(404, 422, 503))
def letter(letter_id: Named, office: Opened) -> dict[str, Any]:
    """One letter whole."""
    with office.reading() as desk:
        return desk.envelope(letter_id)


@router.get("/keys/{key:path}", response_model=models.KeyBody, responses=problems(422, 503))
def key(key: str, office: Opened) -> dict[str, Any]:
    """What is dead of a key, and the chain that waits behind it."""
    with office.reading() as desk:
        return desk.key(_key(key))


@router.get("/audit", response_model=models.AuditBody, responses=problems(503))
def acts(office: Opened) -> dict[str, Any]:
    """What operators did, the oldest first."""
    with office.reading() as desk:
        return {"actions": [shown.act(act) for act in audit.acts(desk.connection)]}


@router.post("/notes", status_code=201, response_model=list[models.NoteBody], responses=problems(400, 404, 422, 503))
def note(body: models.NewNote, office: Opened) -> list[dict[str, Any]]:
    """Write down what is known of a letter or of a group; answers all notes about it."""
    with office.desk() as desk:
        desk.note(WHO, body.about, body.text)
        return [shown.note(one) for one in audit.notes(desk.connection, [body.about])]


_PLANNED: Responses = {200: {"model": models.PlanBody, "description": "A dry run: frozen, nothing is sent."}}


@router.post(
    "/redrive",
    status_code=202,
    response_model=models.PlanBody,
    responses={**_PLANNED, **problems(400, 404, 409, 422, 503)},
)
def redrive(body: models.NewRedrive, office: Opened, response: Response) -> dict[str, Any]:
    """Send letters back, and what waits behind them, in the order of their keys."""
    with office.desk() as desk:
        edits = _edits(desk, body.edits)
        share, force = body.abort_share, body.force
        order = _order(body, "redrive", list(edits), abort_share=share, force=force)
        return _carry_out(office, desk, order, edits, body.dry_run, response)


@router.post(
    "/discard",
    status_code=202,
    response_model=models.PlanBody,
    responses={**_PLANNED, **problems(400, 404, 409, 422, 503)},
)
def discard(body: models.Selection, office: Opened, response: Response) -> dict[str, Any]:
    """Give letters up: their keys go on without them."""
    with office.desk() as desk:
        return _carry_out(office, desk, _order(body, "discard", []), {}, body.dry_run, response)


@router.get("/runs/{run}", response_model=models.RunBody, responses=problems(404, 422, 503))
def campaign(run: Named, office: Opened) -> dict[str, Any]:
    """How far a campaign is."""
    with office.reading() as desk:
        return planned.progress(desk.connection, runs.find(desk.connection, run))


@router.post(
    "/runs/{run}/resume", status_code=202, response_model=models.RunBody, responses=problems(404, 409, 422, 503)
)
def resume(run: Named, office: Opened) -> dict[str, Any]:
    """Run a frozen set, or go on with a campaign that has ended."""
    with office.reading() as desk:
        found = runs.find(desk.connection, run)
        office.start(found, WHO)
        return planned.progress(desk.connection, found)


@router.post("/runs/{run}/stop", status_code=202, response_model=models.RunBody, responses=problems(404, 422, 503))
def stop(run: Named, office: Opened) -> dict[str, Any]:
    """Stop a campaign that this service runs; it can be resumed."""
    with office.reading() as desk:
        found = runs.find(desk.connection, run)
        office.stop(run)
        return planned.progress(desk.connection, found)


def _order(body: models.Selection, action: Action, also: list[str], **more: Any) -> Order:
    if body.group is None and not (body.letters or also or body.topology or body.key or body.reason):
        detail = "say which letters: group, letters, topology, key or reason"
        raise ProblemError("REQUEST_INVALID", detail, errors=[{"at": "body", "message": detail}])
    others = body.group or body.topology or body.key or body.reason
    letters = (*(body.letters or []), *([] if others else also))
    asked = Filter(
        failure=body.group,
        letters=letters or None,
        consumer_group=None if body.topology is None else group_id(body.topology),
        key=None if body.key is None else _key(body.key),
        reason=body.reason,
    )
    return Order(asked=asked, action=action, who=WHO, why=body.why, rate=body.rate, **more)


def _key(text: str) -> bytes:
    try:
        return keys.read(text)
    except ValueError:
        detail = "a key is text, or hex: and pairs of hexadecimal digits"
        raise ProblemError("REQUEST_INVALID", detail, errors=[{"at": "key", "message": detail}]) from None


def _edits(desk: FilledDesk, events: Mapping[str, Mapping[str, Any]]) -> dict[str, Letter]:
    return {
        letter_id: edited(desk.registry, reading.content(desk.connection, letter_id), msgspec.json.encode(event))
        for letter_id, event in events.items()
    }


def _carry_out(
    office: Office, desk: FilledDesk, order: Order, edits: Mapping[str, Letter], dry_run: bool, response: Response
) -> dict[str, Any]:
    run, letters, left_out = runs.freeze(desk.connection, order, edits)
    response.headers["Location"] = f"/failures/runs/{run.id}"
    if dry_run:
        response.status_code = 200
    else:
        office.start(run, WHO)
    return planned.plan(run, letters, left_out, edits)
