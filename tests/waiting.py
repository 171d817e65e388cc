"""Waiting for what a test expects to come."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

# of anything that a test awaits: far longer than it takes on a slow and busy machine, since only a hang is to be found
PATIENCE_S = 400.0
FIRST_LOOK_S, LAST_LOOK_S = 0.005, 0.1  # between two looks: what comes soon is seen soon, what does not is asked less

ResultT = TypeVar("ResultT")


def until(
    condition: Callable[[], ResultT], what: str = "what the test waits for", limit_s: float = PATIENCE_S
) -> ResultT:
    """Waits for a condition and answers what it came to; fails, saying what was awaited, when it does not come true."""
    deadline, pause_s = time.monotonic() + limit_s, FIRST_LOOK_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, LAST_LOOK_S)
    return found


async def eventually(condition: Callable[[], ResultT], what: str = "what the test waits for") -> ResultT:
    """The same, while the loop goes on: looking may take a while."""
    return await asyncio.to_thread(until, condition, what)
