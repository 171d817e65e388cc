"""A simulated party in a process of its own, as `orderflow simulate` starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.config import Settings, dump
from app.embedded.ports import free_ports
from app.embedded.processes import end, start, wait_until_ready

COMMAND = "from app.cli import main; main()"


class SimulatedParty:
    """Serves at `url` between `start` and `kill` or `stop`, always on the same ledger."""

    def __init__(self, name: str, directory: Path) -> None:
        self._name = name
        self._directory = directory
        self._settings = Settings(port=free_ports(0)[0], data=directory, log_level="warning")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://{self._settings.host}:{self._settings.port}"

    def start(self) -> None:
        log = self._directory / f"{self._name}.log"
        command = [sys.executable, "-c", COMMAND, "simulate", self._name]
        environment = {**os.environ, **dump(self._settings)}
        self._process = start(command, directory=Path.cwd(), log=log, environment=environment)
        wait_until_ready(self._process, self._missing, log, 30.0)

    def kill(self) -> None:
        assert self._process is not None
        end(self._process, signal.SIGKILL, 10.0)

    def stop(self) -> int | None:
        """Its exit code; that of SIGKILL when it did not end on SIGTERM."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            end(self._process, signal.SIGTERM, 10.0)
        return self._process.returncode

    def plant(self, kind: str, **fault: Any) -> None:
        httpx.post(f"{self.url}/faults", json={"kind": kind, **fault}).raise_for_status()

    def heal(self) -> None:
        httpx.delete(f"{self.url}/faults").raise_for_status()

    def entries(self, order_id: str | None = None) -> list[dict[str, Any]]:
        parameters = {} if order_id is None else {"order_id": order_id}
        answer = httpx.get(f"{self.url}/ledger", params=parameters, timeout=30.0).raise_for_status().json()
        entries: list[dict[str, Any]] = answer["entries"]
        return entries

    def _missing(self) -> str:
        try:
            return "" if httpx.get(f"{self.url}/livez").is_success else "not live"
        except httpx.TransportError as error:
            return str(error)


@contextmanager
def running(name: str, directory: Path) -> Iterator[SimulatedParty]:
    """The party, serving until it is left."""
    party = SimulatedParty(name, directory)
    try:
        party.start()
        yield party
    finally:
        party.stop()
