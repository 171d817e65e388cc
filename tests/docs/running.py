"""A demo that stays up, for all pages."""

import signal
from pathlib import Path

from app.embedded import processes
from tests.docs.terminal import Terminal
from tests.waiting import until

DEMO = ".venv/bin/orderflow demo --orders 40 --seed 7"
STOP_S = 30.0


class Demo:
    """`orderflow demo` in a directory of its own, its orders placed and checked."""

    def __init__(self, directory: Path) -> None:
        self.terminal = Terminal(directory)
        self.log = directory / "demo.log"
        self.process = self.terminal.start(DEMO, self.log)

    @property
    def data(self) -> Path:
        return self.terminal.directory / ".orderflow"

    def wait_until_it_stays_up(self) -> None:
        until(self._stays_up, "the demo is up")

    def _stays_up(self) -> bool:
        said = self.log.read_text(errors="replace")
        assert self.process.poll() is None, f"the demo ended:\n{said}"
        return "stays up until Ctrl-C" in said

    def end(self) -> None:
        if self.process.poll() is None:
            processes.end(self.process, signal.SIGTERM, STOP_S)
