"""What both servers have in common: one child process on one directory, started, watched, stopped, started again."""

import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from app.embedded import processes
from app.errors import SetupError


class Server(ABC):
    """One server on its own directory, which holds everything that it writes.

    The caller holds a lock on the directory. A start after any kind of end, kill -9 included, goes on with the same
    data and prefers the same ports.
    """

    name: ClassVar[str]
    program: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    start_limit: ClassVar[float] = 90.0
    stop_limit: ClassVar[float] = 30.0

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.log = self.directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._given_up = threading.Event()

    @property
    @abstractmethod
    def workplace(self) -> Path:
        """The directory that the running server works in; by it, what is left of an earlier run is known."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the directory ready, whatever state an earlier end has left it in."""

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _missing(self) -> str:
        """Why the started server does not serve yet, or nothing."""

    def start(self) -> None:
        """Return when the server serves; a `SetupError` says why it cannot, and leaves no process."""
        if self.alive():
            return
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            processes.reap(self.program, self.workplace)
            self._prepare()
            if self._given_up.is_set():
                raise SetupError("it was told to stop")
            self.process = self._launch()
            processes.wait_until_ready(self.process, self._missing, self.log, self.start_limit)
        except BaseException as error:
            self._end()
            if isinstance(error, SetupError | OSError | subprocess.TimeoutExpired):
                raise SetupError(f"{self.name} in {self.directory} cannot start: {error}") from error
            raise

    def stop(self) -> None:
        """Stop cleanly within limits, else by kill; does nothing when the server does not run."""
        self._end()

    def give_up(self) -> None:
        """From another thread: a start that is under way fails soon, and so does any later one."""
        self._given_up.set()
        self._end()

    def _end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            processes.end(self.process, self.stop_signal, self.stop_limit)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def restart(self) -> None:
        """Serve again on the same data and ports, whether it runs or has died."""
        self.stop()
        self.start()
