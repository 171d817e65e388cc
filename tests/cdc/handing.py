"""Handovers as tests ask for them: in this process, or in one that is killed at a step.

`python -m tests.cdc.handing SIDE STEP` kills itself where the step begins.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

from app.cdc import database, publishing
from app.cdc.capture import Capture
from app.cdc.handover import Handover
from app.config import Settings, dump, load
from tests.waiting import PATIENCE_S

# in their order
STEPS = {
    "cdc": (
        "trying the connector",
        "stopping the connector",
        "marking where the relay ends",
        "waiting for the relay to end",
        "starting the connector",
    ),
    "relay": ("marking where capture ends", "waiting for capture to end", "starting the relay"),
}


def use(side: str, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
    with database.connected(settings.postgres) as connection:
        handover = Handover(connection, Capture(settings, connection), PATIENCE_S, say)
        if side == "cdc":
            handover.to_cdc()
        else:
            handover.to_relay()


def use_and_die(side: str, step: str, settings: Settings) -> None:
    """A handover that is killed -9 at this step."""
    died = subprocess.run(
        [sys.executable, "-m", "tests.cdc.handing", side, step],
        env={**os.environ, **dump(settings)},
        timeout=PATIENCE_S,
    )
    assert died.returncode == -signal.SIGKILL


def publisher(settings: Settings) -> str:
    with database.connected(settings.postgres) as connection:
        return publishing.read(connection).state


def _die_at(step: str) -> Callable[[str], None]:
    def say(told: str) -> None:
        if told == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return say


if __name__ == "__main__":
    use(sys.argv[1], load(), _die_at(sys.argv[2]))
