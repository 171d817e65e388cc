"""Keeps the servers of a run up, each on its own: one that takes long to come back holds up no other."""

import asyncio
from collections.abc import Callable, Sequence

from app.embedded.server import Server
from app.errors import SetupError

LOOK_S = 0.2


async def watch(servers: Sequence[Server], say: Callable[[str], None], on_change: Callable[[], None]) -> None:
    """Start again, on its data, what dies, for as long as this runs."""
    await asyncio.gather(*[_watch(server, say, on_change) for server in servers])


async def _watch(server: Server, say: Callable[[str], None], on_change: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        if server.alive():
            continue
        say(f"{server.name} died; it is started again on its data")
        try:
            await asyncio.to_thread(server.restart)
        except SetupError as error:
            say(f"{error}; it is tried again")
        else:
            on_change()
