"""Asks the API, for commands whose answers only it has."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from app.config import load
from app.errors import RefusedError, TransientError

LIMIT_S = 60.0


class ApiRefusedError(RefusedError):
    """The API answered with a problem; `code` names it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class ApiAwayError(TransientError):
    """The API did not answer."""


def asked(
    method: str,
    path: str,
    *,
    params: Sequence[tuple[str, str]] = (),
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """The JSON that the API at `ORDERFLOW_API` answers."""
    return asyncio.run(_asked(f"{load().api.rstrip('/')}{quote(path)}", method, params, body, headers or {}))


async def _asked(
    url: str, method: str, params: Sequence[tuple[str, str]], body: object, headers: Mapping[str, str]
) -> Any:
    content = None if body is None else msgspec.json.encode(body)
    told = {"content-type": "application/json", **headers} if content else headers
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as client,
            client.request(method, url, params=list(params), data=content, headers=told) as answer,
        ):
            found = msgspec.json.decode(await answer.read() or b"null")
            if answer.status < 400:
                return found
    except (TimeoutError, aiohttp.ClientError, msgspec.DecodeError) as error:
        why = str(error) or type(error).__name__
        raise ApiAwayError(f"the API at {url} gave no answer ({why}); start it or mend ORDERFLOW_API") from error
    raise ApiRefusedError(str(found["code"]), str(found["detail"]))
