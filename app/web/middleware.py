"""What happens around every request: its body is bounded, its answer is counted and timed."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability.metrics import HTTP_REQUESTS, HTTP_SECONDS
from app.web.problem import MEDIA_TYPE, Problem

BODY_LIMIT_BYTES = 1024 * 1024
METHODS = frozenset({"GET", "HEAD", "POST"})


class BodyLimit:
    """Hands a body on only when it is whole and within `limit`; a larger one is answered 413 and not read further."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT_BYTES) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > self.limit:
                await _refuse(send, self.limit)
                return
            more = message.get("more_body", False)
        await self.app(scope, _whole(bytes(body), receive), send)


def _whole(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _refuse(send: Send, limit: int) -> None:
    problem = Problem("BODY_TOO_LARGE", f"a body may have {limit} bytes; send less")
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body()})


class Measured:
    """Counts and times answers by the route that gave them, never by the address asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begin = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            HTTP_REQUESTS.labels(route, method, status).inc()
            HTTP_SECONDS.labels(route).observe(time.perf_counter() - begin)
