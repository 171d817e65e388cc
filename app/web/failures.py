"""Turns every way a request can fail into a problem: ours, the framework's, and those nobody foresaw."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.deadletters.errors import DeadLetterError
from app.domain.limits import OrderRefusedError
from app.errors import ConcurrencyError, TransientError
from app.eventstore.port import CommandReusedError, StoreBusyError
from app.inbox.audit import OperationReusedError
from app.observability.log import logger
from app.sagas.operations import OperationRefusedError
from app.streaming.errors import KafkaUnreachableError
from app.web.models import WORDS
from app.web.problem import MEDIA_TYPE, Problem, ProblemError

log = logger(__name__)

# without a broker no process starts; a request to one that runs can be repeated
_LATER = (TransientError, KafkaUnreachableError)
_FRAMEWORK = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


def install(app: FastAPI) -> None:
    for kind in (
        ProblemError,
        ConcurrencyError,
        CommandReusedError,
        OrderRefusedError,
        DeadLetterError,
        OperationRefusedError,
        OperationReusedError,
        *_LATER,
    ):
        app.add_exception_handler(kind, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unforeseen)


def problem_of(error: Exception) -> Problem:
    """The problem that an error of ours means to a caller."""
    match error:
        case ProblemError():
            return error.problem
        case ConcurrencyError():
            return Problem("VERSION_CONFLICT", str(error), {"expected": error.expected, "actual": error.actual})
        case CommandReusedError() | OperationReusedError():
            return Problem("KEY_REUSED", str(error))
        case OrderRefusedError():
            return Problem(error.code, str(error))
        case DeadLetterError() | OperationRefusedError():
            return Problem(error.code, str(error))
        case StoreBusyError():
            return Problem("BUSY", f"{error}; the same request with the same Idempotency-Key is safe to repeat")
        case TransientError() | KafkaUnreachableError():
            return Problem("UNAVAILABLE", "not now; the same request with the same Idempotency-Key is safe to repeat")
        case _:
            return Problem("INTERNAL", "the request failed for a reason on our side; it is in the log")


async def _ours(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if isinstance(error, _LATER):
        log.warning("request.unavailable", path=request.url.path, error=str(error))
    return _answer(problem)


async def _invalid(request: Request, error: Exception) -> Response:
    errors = cast("RequestValidationError", error).errors()
    first = errors[0]
    if first["type"] == "json_invalid":
        return _answer(_no_json(f" ({first['ctx']['error']} at character {first['loc'][1]})"))
    if first["type"] == "missing" and first["loc"] == ("body",) and request.headers.get("content-length", "0") == "0":
        return _answer(_no_json(", it is empty"))
    # never what was sent: it may be secret, or not even be text
    mistakes = [{"at": _place(mistake["loc"]), "message": _message(mistake)} for mistake in errors]
    detail = "; ".join(f"{mistake['at']}: {mistake['message']}" for mistake in mistakes[:3])
    return _answer(Problem("REQUEST_INVALID", detail, {"errors": mistakes}))


async def _framework(_: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    if refused.status_code == HTTPStatus.BAD_REQUEST:  # what FastAPI makes of a body that it cannot parse at all
        return _answer(_no_json(", or nests too deep"))
    problem = Problem(_FRAMEWORK.get(refused.status_code, "REQUEST_UNREADABLE"), refused.detail)
    return _answer(problem, refused.headers)


def _no_json(why: str) -> Problem:
    return Problem("REQUEST_UNREADABLE", f"the body is no JSON{why}; send one JSON object in UTF-8")


def _message(mistake: Mapping[str, Any]) -> str:
    """What the field takes, in words."""
    if mistake["type"] == "string_pattern_mismatch":
        return WORDS[mistake["ctx"]["pattern"]]
    return str(mistake["msg"]).removeprefix("Value error, ")


async def _unforeseen(_: Request, error: Exception) -> Response:
    return _answer(problem_of(error))  # the server logs it


def _answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(problem.body(), problem.status, {**problem.headers, **(headers or {})}, MEDIA_TYPE)


def _place(location: tuple[int | str, ...]) -> str:
    """`items.0.quantity`: without FastAPI's name of the part when it is the body."""
    parts = location[1:] if location[0] == "body" and len(location) > 1 else location
    return ".".join(str(part) for part in parts)
