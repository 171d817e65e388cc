"""The machines of a run: each with a disk of its own and a worker of every topology."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from app.config import Settings, dump
from app.embedded import processes
from app.embedded.ports import free_ports

ROOT = Path(__file__).parents[3]
ANSWER_S = 5.0
STOP_S = 10.0
SHOWN = 400
CRASH, SHOWN_OF_A_CRASH = "Fatal Python error", 6_000


class Machine:
    """A worker process for each topology; they start, stop and lose their disk together."""

    def __init__(self, name: str, settings: Settings, topologies: tuple[str, ...], plant: str) -> None:
        self.name, self._plant = name, plant
        self._ports = dict(zip(topologies, free_ports(*[0] * len(topologies)), strict=True))
        self._settings = settings
        self.disk = settings.data / name
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for topology in self._ports:
            self._start(topology)

    def _start(self, topology: str) -> None:
        own = msgspec.structs.replace(
            self._settings,
            name=f"{topology}-{self.name}",
            port=self._ports[topology],
            data=self.disk / topology,
        )
        self.workers[topology] = processes.start(
            [sys.executable, "-m", "tests.chaos.seeded.worker", topology, self._plant],
            directory=ROOT,
            log=self._log(topology),
            environment={**os.environ, **dump(own), "PYTHONFAULTHANDLER": "1"},
        )

    def _log(self, topology: str) -> Path:
        return self._settings.data / f"{self.name}-{topology}.log"

    def signal(self, number: signal.Signals) -> None:
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.send_signal(number)

    def kill(self, *, wipes: bool) -> None:
        """kill -9, and, if so, all its files are gone."""
        self.signal(signal.SIGKILL)
        for worker in self.workers.values():
            worker.wait()
        if wipes:
            shutil.rmtree(self.disk, ignore_errors=True)

    def stop(self) -> list[str]:
        """SIGTERM; what was wrong with the way that its workers ended."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        found, until = [], time.monotonic() + STOP_S
        for topology, worker in self.workers.items():
            try:
                code = worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                found.append(f"{self.name}: the worker of {topology} did not end within {STOP_S:.0f} s of SIGTERM")
                worker.kill()
                worker.wait()
            else:
                if code not in (0, -signal.SIGTERM):  # it had not begun to listen for signals, so it had no work either
                    found.append(f"{self.name}: the worker of {topology} ended with {code} at SIGTERM")
        return found

    def died(self) -> list[str]:
        """Workers that ended by themselves, and the end of what they said; they are started again."""
        found = []
        for topology, worker in self.workers.items():
            if (code := worker.poll()) is not None:
                said = _last_words(self._log(topology))
                found.append(f"{self.name}: the worker of {topology} ended by itself with {code}: {said}")
                self._start(topology)
        return found

    def get(self, topology: str, path: str) -> dict[str, Any]:
        """A worker's answer; `{}` while it gives none."""
        try:
            with urlopen(f"http://127.0.0.1:{self._ports[topology]}{path}", timeout=ANSWER_S) as answer:
                answered: dict[str, Any] = json.loads(answer.read())
        except (URLError, OSError, ValueError):
            return {}
        return answered

    def tasks(self, topology: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(topology, "/tasks").get("tasks", [])
        return found


def _last_words(log: Path) -> str:
    """The end of what a process said; of one that crashed, why and where: what it has loaded is told after that."""
    said = log.read_text(errors="replace")
    crashed_at = said.rfind(CRASH)
    return said[-SHOWN:] if crashed_at < 0 else said[max(0, crashed_at - SHOWN) :][:SHOWN_OF_A_CRASH]
