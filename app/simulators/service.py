"""The HTTP service of a simulated party: its calls, its ledger, and the faults it can be told to have.

- `PUT /{resource}/{order_id}/{order_version}`, `POST /{resource}/{order_id}/{order_version}/{completes}` and
  `POST /{resource}/{order_id}/{undo}`: see `app.simulators.party`
- `GET /ledger?order_id=`: every entry, streamed
- `POST /faults`, `DELETE /faults`: see `app.simulators.faults`; faults are in memory and end with the process
- `GET /livez`, `/readyz`, `/metrics`
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from app.observability import metrics
from app.simulators.faults import Fault, Faults
from app.simulators.ledger import Ledger
from app.simulators.party import REFUSED, Desk, OtherTermsError, Party

HANG_SECONDS = 60.0  # a call under a `timeout` fault waits this long for its caller to give up

MEANING: dict[type[Exception], HTTPStatus] = {
    msgspec.MsgspecError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnicodeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    OtherTermsError: HTTPStatus.CONFLICT,
    sqlite3.Error: HTTPStatus.SERVICE_UNAVAILABLE,
}

ValueT = TypeVar("ValueT")


class Key(msgspec.Struct, frozen=True):
    """The path of a call."""

    order_id: Annotated[str, Meta(min_length=1, max_length=200)]
    order_version: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 1


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_versions: Annotated[list[Annotated[int, Meta(ge=1, le=2**63 - 1)]], Meta(max_length=100_000)]


class Service:
    """The endpoints of one party over its ledger."""

    def __init__(self, party: Party, ledger: Ledger, faults: Faults) -> None:
        self._party, self._ledger, self._faults = party, ledger, faults
        self._desk = Desk(party, ledger, faults)

    async def ask(self, request: Request) -> Response:
        """Answers 409 when the key was used with other terms."""
        key, resource = _key(request), _resource(request)
        asked = msgspec.to_builtins(await _body(request, self._party.terms))
        customer_id = str(asked["customer_id"])
        self._fail_if_unavailable(key, customer_id)
        entry = await self._ledger.settle(lambda: self._desk.ask(resource, key.order_id, key.order_version, asked))
        return await self._answer(request, key, self._party.outcome(resource, entry), customer_id)

    async def complete(self, request: Request) -> Response:
        """Its call carries no customer: a fault that matches one does not hit it."""
        key, resource = _key(request), _resource(request)
        self._fail_if_unavailable(key, None)
        entry = await self._ledger.settle(lambda: self._desk.complete(resource, key.order_id, key.order_version))
        refused = {"outcome": REFUSED, "reason": f"not-{self._party.effects[resource][0]}"}
        answer = refused if entry is None else {"outcome": entry.state, **entry.terms}
        return await self._answer(request, key, answer, None)

    async def undo(self, request: Request) -> Response:
        """Its call carries no customer: a fault that matches one does not hit it."""
        key = _key(request)
        versions = (await _body(request, Undo)).order_versions
        self._fail_if_unavailable(key, None)
        if self._party.dispute and self._faults.take("dispute", key.order_id):
            return await self._answer(request, key, {"refused": self._party.dispute}, None)
        entries = await self._ledger.settle(lambda: self._desk.undo(key.order_id, versions))
        listed = map(self._party.listed, entries)
        undone = [{name: entry[name] for name in self._party.undone_fields} for entry in listed]
        return await self._answer(request, key, {self._party.undone_list: undone}, None)

    async def plant(self, request: Request) -> Response:
        fault = await _body(request, Fault)
        self._faults.plant(fault)
        return _json(fault, 201)

    async def clear(self, request: Request) -> Response:
        self._faults.clear()
        return Response(status_code=204)

    async def list_ledger(self, request: Request) -> Response:
        pages = self._pages(request.query_params.get("order_id"))
        return StreamingResponse(pages, media_type="application/json")

    async def livez(self, request: Request) -> Response:
        return _json({"status": "live"})

    async def measured(self, request: Request) -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    async def _pages(self, order_id: str | None) -> AsyncIterator[bytes]:
        yield b'{"entries":['
        separator = b""
        for page in self._ledger.pages(order_id):
            yield separator + msgspec.json.encode([self._party.listed(entry) for entry in page])[1:-1]
            separator = b","
            await asyncio.sleep(0)  # calls are answered between two pages
        yield b"]}"

    def _fail_if_unavailable(self, key: Key, customer_id: str | None) -> None:
        if self._faults.take("unavailable", key.order_id, customer_id):
            raise HTTPException(503, "unavailable by fault")

    async def _answer(self, request: Request, key: Key, body: object, customer_id: str | None) -> Response:
        if self._faults.take("timeout", key.order_id, customer_id):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANG_SECONDS):
                    while (await request.receive())["type"] != "http.disconnect":
                        pass
            raise HTTPException(504, "no answer by fault")
        return _json(body)


def application(party: Party, ledger: Ledger, faults: Faults) -> Starlette:
    """The ASGI application; it closes the ledger when it shuts down."""
    service = Service(party, ledger, faults)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        ledger.close()

    return Starlette(
        routes=[
            *_effects(party, service),
            Route("/faults", service.plant, methods=["POST"]),
            Route("/faults", service.clear, methods=["DELETE"]),
            Route("/ledger", service.list_ledger, methods=["GET"]),
            Route("/livez", service.livez, methods=["GET"]),
            Route("/readyz", service.livez, methods=["GET"]),  # the ledger is open before the first request is taken
            Route("/metrics", service.measured, methods=["GET"]),
        ],
        exception_handlers=dict.fromkeys(MEANING, _problem) | {HTTPException: _problem},
        lifespan=lifespan,
    )


def _effects(party: Party, service: Service) -> Iterator[Route]:
    for resource, (_, *later) in party.effects.items():
        key = f"/{resource}/{{order_id}}/{{order_version}}"
        yield Route(key, service.ask, methods=["PUT"])
        if later:
            yield Route(f"{key}/{party.completes}", service.complete, methods=["POST"])
    yield Route(f"/{next(iter(party.effects))}/{{order_id}}/{party.undo}", service.undo, methods=["POST"])


def _resource(request: Request) -> str:
    return request.url.path.split("/")[1]


def _key(request: Request) -> Key:
    return msgspec.convert(request.path_params, Key, strict=False)


async def _body(request: Request, kind: type[ValueT]) -> ValueT:
    return msgspec.json.decode(await request.body(), type=kind)


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _problem(request: Request, error: Exception) -> Response:
    """An RFC 9457 problem."""
    if isinstance(error, HTTPException):
        status, detail = HTTPStatus(error.status_code), error.detail
    else:
        status = next(status for kind, status in MEANING.items() if isinstance(error, kind))
        detail = str(error)
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Response(msgspec.json.encode(body), status.value, media_type="application/problem+json")
