"""Child processes of a run: started on a leash, watched, started again when they die."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp

from app.cli.demoing.logs import last_events
from app.config import Settings, dump
from app.embedded import processes
from app.errors import SetupError

STOP_S = 12.0
READY_S = 90.0
LOOK_S = 0.2
AGAIN_S = 1.0
TELL_EVERY_S = 3.0


class Child:
    """One `orderflow` process with a port, a data directory and a log of its own."""

    def __init__(self, name: str, arguments: Sequence[str], settings: Settings, log: Path) -> None:
        self.name, self.settings, self.log = name, settings, log
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    @property
    def url(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"

    def start(self) -> None:
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.started_at = time.monotonic()
        self.process = processes.start(
            [sys.executable, "-m", "app.cli", *self._arguments],
            directory=self.settings.data,
            log=self.log,
            environment={**os.environ, **dump(self.settings)},
        )

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            processes.end(self.process, signal.SIGTERM, STOP_S)

    def ended_with(self) -> int | None:
        return None if self.process is None else self.process.poll()


class Children:
    """All of them; `say` hears what happens to them."""

    def __init__(self, children: Sequence[Child], say: Callable[[str], None]) -> None:
        self.all = list(children)
        self._say = say

    async def start(self) -> None:
        """Return when every one answers that it is ready; a `SetupError` shows the log of one that cannot be."""
        for child in self.all:
            await asyncio.to_thread(child.start)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as client:
            await asyncio.gather(*[until_ready(client, child, self._say) for child in self.all])

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Start again what dies, for as long as this runs."""
        while True:
            await asyncio.sleep(LOOK_S)
            for child in self.all:
                code = child.ended_with()
                if code is not None and time.monotonic() - child.started_at > AGAIN_S:
                    self._say(f"{child.name} ended with code {code}; it is started again")
                    await asyncio.to_thread(child.start)
                    on_change()

    def stop(self) -> None:
        with ThreadPoolExecutor(max_workers=max(1, len(self.all))) as pool:
            list(pool.map(Child.stop, self.all))

    def pids(self) -> dict[str, int]:
        return {child.name: child.process.pid for child in self.all if child.process is not None}


async def until_ready(client: aiohttp.ClientSession, child: Child, say: Callable[[str], None]) -> None:
    """Waits for as long as it gets on: a restore takes what it takes, and says how far it is."""
    deadline, restored, told_at = time.monotonic() + READY_S, 0, time.monotonic()
    while (reason := await _unready(client, child)) is not None:
        code, now = child.ended_with(), time.monotonic()
        if code is not None or now > deadline:
            why = f"is not ready after {READY_S:.0f} s" if code is None else f"ended with code {code}"
            raise SetupError(f"{child.name} {why}; the end of {child.log}:\n{last_events(child.log)}")
        if (more := await _restored(client, child)) > restored:
            deadline, restored = now + READY_S, more
            if now - told_at > TELL_EVERY_S:
                say(f"{child.name}: {reason}")
                told_at = now
        await asyncio.sleep(0.1)


async def _unready(client: aiohttp.ClientSession, child: Child) -> str | None:
    """Why it is not ready, as far as it says so; None when it is."""
    try:
        async with client.get(f"{child.url}/readyz") as answer:
            return None if answer.ok else str((await answer.json(content_type=None))["detail"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        return ""


async def _restored(client: aiohttp.ClientSession, child: Child) -> int:
    """The records that a worker has restored until now."""
    try:
        async with client.get(f"{child.url}/tasks") as answer:
            told = await answer.json(content_type=None) if answer.ok else {}
            return sum(task["restored"] for task in told.get("tasks", ()))
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return 0
