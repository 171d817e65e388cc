"""`/customers/{customer_id}/personal-data`: makes a person unreadable, everywhere and for good."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from pydantic import BaseModel, Field

from app.domain.limits import MAX_TEXT
from app.people.postgres import Erasure, PostgresPersonKeys
from app.web.models import PRINTABLE
from app.web.openapi import problems

router = APIRouter(prefix="/customers", tags=["customers"])


class ErasureBody(BaseModel):
    """What was done, as it stands in the audit."""

    at: datetime
    customer_id: str
    who: str
    erased: Annotated[bool, Field(description="Whether there was something to erase; repeated, there is not.")]


def serve(app: FastAPI, keys: PostgresPersonKeys) -> None:
    """Add the page to the service."""
    app.state.person_keys = keys
    app.include_router(router)


async def _keys(request: Request) -> PostgresPersonKeys:
    keys: PostgresPersonKeys = request.app.state.person_keys
    return keys


@router.delete("/{customer_id}/personal-data", response_model=ErasureBody, responses=problems(422, 503))
async def erase(
    customer_id: Annotated[str, Path(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE)],
    keys: Annotated[PostgresPersonKeys, Depends(_keys)],
    operator: Annotated[str, Query(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE)] = "api",
) -> Erasure:
    """Erase the key of a customer: names and addresses of all orders until now cannot be read any more."""
    return await keys.erase(customer_id, operator)
