"""`orderflow` commands as processes of their own: those that end by themselves, and those that serve HTTP."""

import os
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app.cli import main
from app.config import Settings, dump
from app.embedded.processes import tail
from tests.forked import ForkedProcess
from tests.waiting import PATIENCE_S, until

ANSWER_S = 5.0


def run(*words: str, settings: Settings) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    with TemporaryDirectory() as directory:
        output, errors = Path(directory) / "stdout", Path(directory) / "stderr"
        process = _started(words, settings, output, errors)
        try:
            code = process.wait(PATIENCE_S)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, code, output.read_text(), errors.read_text())


class Serving:
    """A command that runs until it is told to end, and can be started again; a client of it."""

    def __init__(self, *words: str, settings: Settings, log: Path) -> None:
        self._words, self._settings, self.log = words, settings, log
        self.url = f"http://{settings.host}:{settings.port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)
        self.process: ForkedProcess | None = None

    def start(self) -> None:
        self.process = _started(self._words, self._settings, self.log, self.log)

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.running().poll() is None, f"it ended; the end of {self.log}:\n{tail(self.log)}"
            return self.ready()

        until(ready, f"orderflow {' '.join(self._words)} is ready, which writes to {self.log}")

    def running(self) -> ForkedProcess:
        assert self.process is not None
        return self.process

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code; a process that needs longer is killed, which its code shows."""
        return self.running().end(how, PATIENCE_S)

    def kill(self) -> None:
        """It starts again at once."""
        self.end(signal.SIGKILL)
        self.start()

    def close(self) -> None:
        self.http.close()
        if self.process is not None:
            self.end(signal.SIGKILL)

    def ready(self) -> bool:
        answer = self.ask("/readyz")
        return answer is not None and answer.is_success

    def ask(self, path: str) -> httpx.Response | None:
        """None: it does not answer."""
        try:
            return self.http.get(path, timeout=ANSWER_S)
        except httpx.TransportError:
            return None


def _started(words: tuple[str, ...], settings: Settings, output: Path, errors: Path) -> ForkedProcess:
    return ForkedProcess(main, words, {**os.environ, **dump(settings)}, output, errors)


def working_in(directory: Path) -> list[str]:
    """The programs that run anywhere below a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(directory.resolve()):
                found.append((entry / "exe").readlink().name)
        except OSError:
            continue
    return sorted(set(found))
