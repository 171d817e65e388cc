"""Makes a broker start in a third of the time: a cache of loaded classes, made once per user from a server's own run.

A convenience: whatever goes wrong here costs the speed of later starts and nothing else.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from app.embedded import processes

CREATE_LIMIT = 30.0
UNUSED_LIMIT = 7 * 24 * 3600.0


class AotCache:
    """The cache for one Java, one classpath and one set of flags; `java` is the command line up to the main class."""

    def __init__(self, folder: Path, java: Sequence[str], jars: Sequence[Path], version: str) -> None:
        stamps = [(jar.name, jar.stat().st_size, jar.stat().st_mtime_ns) for jar in jars]
        key = hashlib.sha256(repr((version, stamps, java[1:])).encode()).hexdigest()[:16]
        self._java = java
        self._folder = folder
        self._file = folder / f"kafka-{key}.aot"

    def flags(self) -> list[str]:
        """What a start adds to its command line to use the cache; nothing when there is none yet."""
        try:
            os.utime(self._file)
        except OSError:
            return []
        return [f"-XX:AOTCache={self._file}"]

    @staticmethod
    def recording(to: Path) -> list[str]:
        """What a run adds to its command line to note, at its clean end, what a cache can be made from."""
        return ["-XX:AOTMode=record", f"-XX:AOTConfiguration={to}"]

    def create(self, recording: Path) -> None:
        """Make the cache from a recording, in a few seconds; of two processes that do so at once one wins whole."""
        made = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        flags = ["-XX:AOTMode=create", f"-XX:AOTConfiguration={recording}", f"-XX:AOTCache={made}"]
        log = recording.with_suffix(".log")
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            process = processes.start([self._java[0], *flags, *self._java[1:]], directory=recording.parent, log=log)
            try:
                process.wait(CREATE_LIMIT)
            finally:
                processes.end(process, signal.SIGKILL, 0)
            if process.returncode == 0 and made.exists():
                made.replace(self._file)
                self._forget_old()
        for leftover in (made, recording, log):
            leftover.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget a cache that a start has failed with."""
        self._file.unlink(missing_ok=True)

    def _forget_old(self) -> None:
        for file in self._folder.glob("kafka-*.aot*"):
            if time.time() - file.stat().st_mtime > UNUSED_LIMIT:
                file.unlink(missing_ok=True)
