"""Waiting for what a test expects to come."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Any, TypeVar, overload

# of anything that a test awaits: far longer than it takes on a slow and busy machine, since only a hang is to be found
PATIENCE_S = 400.0
FIRST_LOOK_S, LAST_LOOK_S = 0.005, 0.1  # between two looks: what comes soon is seen soon, what does not is asked less

ResultT = TypeVar("ResultT")


def until(
    condition: Callable[[], ResultT], what: str = "what the test waits for", limit_s: float = PATIENCE_S
) -> ResultT:
    """Waits for a condition and answers what it came to; fails, saying what was awaited, when it does not come true."""
    pauses = _pauses(what, limit_s)
    while not (found := condition()):
        time.sleep(next(pauses))
    return found


@overload
async def eventually(condition: Callable[[], Awaitable[ResultT]], what: str = ...) -> ResultT: ...
@overload
async def eventually(condition: Callable[[], ResultT], what: str = ...) -> ResultT: ...
async def eventually(condition: Callable[[], Any], what: str = "what the test waits for") -> Any:
    """The same, while the loop goes on: looking may take a while, or be awaited."""
    pauses = _pauses(what, PATIENCE_S)
    while not (found := await _looked(condition)):  # noqa: ASYNC110 - nobody tells when it has come
        await asyncio.sleep(next(pauses))
    return found


async def _looked(condition: Callable[[], Any]) -> Any:
    found = await asyncio.to_thread(condition)
    return await found if isawaitable(found) else found


def _pauses(what: str, limit_s: float) -> Iterator[float]:
    """One after each look in vain; fails when they have taken too long."""
    deadline, pause_s = time.monotonic() + limit_s, FIRST_LOOK_S
    while True:
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        yield pause_s
        pause_s = min(1.5 * pause_s, LAST_LOOK_S)
