"""Ends a process whose event loop no longer turns: nothing in it can say so, and others wait for its tasks."""

import asyncio
import os
import sys
import threading
import traceback

from app.observability.log import logger
from app.streaming.errors import StuckHandlerError

log = logger(__name__)

LOOK_S = 1.0
STUCK_S = 30.0
EXIT_CODE = 4


class Watchdog:
    """Counts its own looks, not the clock: a process that was stopped for a while is not stuck."""

    def __init__(self) -> None:
        self._looks = 0
        self._over = threading.Event()
        self._loop_thread = threading.get_ident()

    async def run(self) -> None:
        """Shows that the loop turns, until cancelled."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        try:
            while True:
                self._looks = 0
                await asyncio.sleep(LOOK_S / 2)
        finally:
            self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self._looks += 1
            if self._looks * LOOK_S > STUCK_S:
                self._end()

    def _end(self) -> None:
        frame = sys._current_frames()[self._loop_thread]  # the one way to see what another thread does
        error = StuckHandlerError(f"a handler has not returned for {STUCK_S:.0f} s, and nothing else can go on")
        where = "".join(traceback.format_stack(frame)[-8:])
        log.error("worker.stuck", why=f"{type(error).__name__}: {error}", where=where)
        os._exit(EXIT_CODE)
