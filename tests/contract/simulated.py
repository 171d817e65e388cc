"""A simulated party in a process of its own, as `orderflow simulate` starts it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.config import Settings
from app.embedded.ports import free_ports
from tests.commands import Serving


class SimulatedParty(Serving):
    """Always on the same ledger."""

    def __init__(self, name: str, directory: Path) -> None:
        settings = Settings(port=free_ports(0)[0], data=directory, log_level="warning")
        super().__init__("simulate", name, settings=settings, log=directory / f"{name}.log")

    def start(self) -> None:
        super().start()
        self.wait_until_ready()

    def plant(self, kind: str, **fault: Any) -> None:
        self.http.post("/faults", json={"kind": kind, **fault}).raise_for_status()

    def heal(self) -> None:
        self.http.delete("/faults").raise_for_status()

    def entries(self, order_id: str | None = None) -> list[dict[str, Any]]:
        parameters = {} if order_id is None else {"order_id": order_id}
        answer = self.http.get("/ledger", params=parameters).raise_for_status().json()
        entries: list[dict[str, Any]] = answer["entries"]
        return entries


@contextmanager
def running(name: str, directory: Path) -> Iterator[SimulatedParty]:
    """The party, serving until it is left."""
    party = SimulatedParty(name, directory)
    try:
        party.start()
        yield party
    finally:
        party.close()
