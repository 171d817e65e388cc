"""The bodies of `/sagas`."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field

from app.domain.limits import MAX_TEXT
from app.sagas.instance import Action, State, Status
from app.web.models import PRINTABLE, Body

# as a list is asked for: a choreographed order can have no outcome past its deadline, whatever its state
Listed: TypeAlias = Status | Literal["OVERDUE"]


class SagaBody(BaseModel):
    """One saga in a list."""

    order_id: str
    saga: Literal["fulfilment", "choreography"]
    version: Annotated[int, Field(description="Of the definition that it began with.")]
    state: Status
    failed: Annotated[list[str], Field(description="Steps that wait for an operator.")]
    began_at: datetime
    reason: Annotated[str, Field(description="Why it goes back; else empty.")]
    waits_for: Annotated[str, Field(description="The event that does not come, of one that is overdue; else empty.")]


class SagasBody(BaseModel):
    sagas: list[SagaBody]


class ProgressBody(BaseModel):
    """How far one part of a step is; `cause` is the id of the event that brought it there."""

    state: State
    attempts: int
    cause: str
    at: datetime | None
    error: str


class StepBody(BaseModel):
    step: str
    do: ProgressBody
    undo: ProgressBody


class OperationBody(BaseModel):
    """What an operator did."""

    id: str
    action: Action
    step: str
    operator: str
    reason: str
    at: datetime | None


class NewOperation(Body):
    """Who asks for it, and why."""

    operator: Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE)] = "api"
    reason: Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE)]


class ActBody(BaseModel):
    """One command of an operator."""

    at: datetime
    id: UUID
    who: str
    action: Action
    order_id: UUID
    step: str
    reason: str


class AuditBody(BaseModel):
    actions: list[ActBody]


class ToldBody(BaseModel):
    """One event or command; `about` is what of it tells why it came."""

    at: datetime
    type: str
    topic: str
    event_id: str
    caused_by: str
    about: dict[str, Any]


class WholeSagaBody(SagaBody):
    next_timeout: datetime | None
    deadline: datetime | None
    steps: list[StepBody]
    operations: list[OperationBody]
    timeline: list[ToldBody]
