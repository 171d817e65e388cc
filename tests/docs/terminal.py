"""A reader's terminal: runs the commands of a page, each in the surroundings that the ones before have left."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from app.embedded import processes
from tests.waiting import PATIENCE_S

STAND_IN = Path(__file__).with_name("curl_stand_in.py")


class Terminal:
    """Works in `directory`; `.venv` there is the environment of this test run."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._state = directory / ".terminal"
        self._state.touch()
        (directory / ".venv").symlink_to(sys.prefix)
        ours = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
        self._environment = {**ours, **(environment or {})}
        if shutil.which("curl") is None:
            self._give_curl()

    def run(self, commands: str) -> str:
        """What they print; they must not fail."""
        script = f"set -e\n. {self._state}\n{commands}\nexport -p > {self._state}\n"
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, f"{commands}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start one command that runs until it is told to end."""
        script = f". {self._state}\nexec env {command}"
        return processes.start(
            ["/bin/sh", "-c", script], directory=self.directory, log=log, environment=self._environment
        )

    def _give_curl(self) -> None:
        folder = self.directory / "bin"
        folder.mkdir()
        stand_in = folder / "curl"
        stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        stand_in.chmod(0o755)
        self._environment["PATH"] = f"{folder}:{self._environment['PATH']}"
