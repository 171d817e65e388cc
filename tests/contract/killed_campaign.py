"""Runs one campaign in process after process, each killed at a random line of `app/deadletters`; then to its end.

Arguments: Kafka, DSN, consumer group, run, seed, how many kills. Prints how each process ended: -9, or 0 for the last.
"""

import os
import random
import signal
import sys
import threading
from types import FrameType
from typing import Any

from app.deadletters import runs
from app.deadletters.campaign import Campaign
from app.deadletters.desk import desk
from app.serde.lock import committed_registry

PACKAGE = f"{os.sep}app{os.sep}deadletters{os.sep}"
LINES = 700  # of the first moments: looking, sending, reading back, a few times


class Killer:
    """Counts lines, and kills this process at the given one."""

    def __init__(self, left: int) -> None:
        self._left = left

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if PACKAGE not in frame.f_code.co_filename:
            return None
        if event == "line":
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def operate(kafka: str, dsn: str, group: str, run: str) -> None:
    with desk(kafka, dsn, [group], committed_registry()) as mine:
        found = runs.find(mine.connection, run)
        Campaign(mine.connection, mine.index, kafka, found, "op", step_s=0.2).run(threading.Event())


def main(kafka: str, dsn: str, group: str, run: str, seed: str, kills: str) -> None:
    chance = random.Random(int(seed))
    for left in [chance.randint(1, LINES) for _ in range(int(kills))] + [0]:
        # nothing has a thread here: what is imported is shared with the child
        child = os.fork()
        if child == 0:
            sys.settrace(Killer(left) if left else None)
            operate(kafka, dsn, group, run)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(*sys.argv[1:])
