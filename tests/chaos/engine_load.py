"""A steady load of ticks, and the list of all that was sent."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from tests.engine.log import Log, ticks
from tests.engine.topologies import Tick

KEYS = 40


class Load:
    """Sends ticks in the background at a steady rate until its end. `row_size`: bytes in each row, beside its count."""

    def __init__(self, log: Log, topic: str, per_second: int = 400, row_size: int = 0) -> None:
        self.sent: list[Tick] = []
        self._log, self._topic, self._rounds, self._row_size = log, topic, per_second / KEYS, row_size
        self._number = 0
        self._end = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[None]

    def __enter__(self) -> "Load":
        self._running = self._thread.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        """Raises what ended the load early: `sent` would be less than what the topic holds."""
        self._end.set()
        self._thread.shutdown()
        self._running.result()

    def next(self, per_second: int = 400, row_size: int = 0) -> "Load":
        """One that goes on, once begun, where this one ended; what both send is one list."""
        following = Load(self._log, self._topic, per_second, row_size)
        following.sent, following._number = self.sent, self._number
        return following

    def _run(self) -> None:
        while not self._end.wait(1 / self._rounds):
            self._number += 1
            plain = ticks(KEYS, 1, self._number)
            batch = [msgspec.structs.replace(tick, row_size=self._row_size) for tick in plain]
            self._log.send(self._topic, batch)
            self.sent += batch
