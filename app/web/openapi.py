"""The OpenAPI page: what FastAPI derives, with the problems of every route described as they are sent."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.web.models import ProblemBody
from app.web.problem import MEDIA_TYPE

_REF = "#/components/schemas/{model}"

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The error answers of a route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=ProblemBody.__name__)}}}
    return {status: {"description": "A problem.", "content": content} for status in statuses}


def describe(app: FastAPI) -> dict[str, Any]:
    """The page of `app`, made once."""
    if app.openapi_schema is None:
        page = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        page.setdefault("components", {}).setdefault("schemas", {}).update(_schemas(ProblemBody))
        app.openapi_schema = page
    return app.openapi_schema


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    return {**schema.pop("$defs", {}), model.__name__: schema}
