"""`orderflow` commands as processes that serve HTTP."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from app.config import Settings, dump
from app.embedded.processes import end, start, wait_until_ready

ORDERFLOW = [sys.executable, "-c", "from app.cli import main; main()"]
LIMIT = 60.0


def run(*words: str, settings: Settings) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    environment = {**os.environ, **dump(settings)}
    return subprocess.run([*ORDERFLOW, *words], env=environment, capture_output=True, text=True, timeout=LIMIT)


class Serving:
    """A command that runs until it is told to end, and a client of it."""

    def __init__(self, *words: str, settings: Settings, log: Path) -> None:
        self.log = log
        environment = {**os.environ, **dump(settings)}
        self.process = start([*ORDERFLOW, *words], directory=Path.cwd(), log=log, environment=environment)
        self.http = httpx.Client(base_url=f"http://{settings.host}:{settings.port}", timeout=LIMIT, trust_env=False)

    def wait_until_ready(self) -> None:
        wait_until_ready(self.process, self._missing, self.log, LIMIT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process.poll() is None:
            end(self.process, number, LIMIT)
        return self.process.returncode

    def close(self) -> None:
        self.http.close()
        self.end(signal.SIGKILL)

    def _missing(self) -> str:
        try:
            answer = self.http.get("/readyz")
        except httpx.TransportError as error:
            return str(error)
        return "" if answer.status_code == 200 else answer.text
