"""Processes that begin with the code loaded: copies of one that has loaded it once, for tests that start many.

They have a session of their own, and are gone with this process, as those that `app.embedded.processes` starts. They
leave out the interpreter's own end: what may go wrong in that shows in tests of the commands alone.
"""

import atexit
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver, get_context
from pathlib import Path

from app.embedded.leash import PR_SET_PDEATHSIG

# what takes long to load
LOADED = ["app.cli.api", "app.cli.relay", "tests.engine.process"]

_context = get_context("forkserver")
_context.set_forkserver_preload(LOADED)


class ForkedProcess:
    """`main` with these arguments and this environment; what it prints goes to these files. Used as a `Popen` is."""

    def __init__(
        self,
        main: Callable[[], None],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        errors: Path,
    ) -> None:
        for file in (output, errors):
            file.touch()
        told = (main, tuple(arguments), dict(environment), output, errors)
        self._process = _context.Process(target=_become, args=told, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        atexit.register(self.kill)  # multiprocessing would wait for one that stands still

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, limit_s: float | None = None) -> int:
        self._process.join(limit_s)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(str(self._process), limit_s or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, number: signal.Signals, limit_s: float) -> int:
        """The exit code; a process that needs longer is killed, which its code shows."""
        self.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            return self.wait(limit_s)
        self.kill()
        return self.wait()


def _become(
    main: Callable[[], None], arguments: tuple[str, ...], environment: dict[str, str], output: Path, errors: Path
) -> None:
    os.setsid()
    # it is the server that this one dies with; and the server ends when nobody holds this any more
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    os.environ.clear()
    os.environ.update(environment)
    for stream, file in ((sys.stdout, output), (sys.stderr, errors)):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    sys.argv = [main.__module__, *arguments]
    main()
