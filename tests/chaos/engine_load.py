"""A steady load of ticks, and the list of all that was sent."""

import threading

from tests.engine.log import Log, ticks
from tests.engine.topologies import Tick

KEYS = 40


class Load:
    """Sends ticks in the background at a steady rate until it is ended."""

    def __init__(self, log: Log, topic: str, per_second: int = 400) -> None:
        self.sent: list[Tick] = []
        self._log, self._topic, self._rounds = log, topic, per_second / KEYS
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._end.wait(1 / self._rounds):
            number += 1
            batch = ticks(KEYS, 1, number)
            self._log.send(self._topic, batch)
            self.sent += batch
