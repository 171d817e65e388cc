"""Worker processes of one test topology: started, killed, paused, and asked over HTTP."""

import json
import os
import resource
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import msgspec

from app.embedded.ports import free_ports
from app.streaming.kafka import topics
from app.streaming.topology import Topology
from tests.engine.log import PARTITIONS, Log
from tests.engine.process import Order, main, topology_of
from tests.forked import ForkedProcess
from tests.waiting import PATIENCE_S, until

ANSWER_S = 5.0


class WorkerProcess:
    """One replica: its directory survives a kill."""

    def __init__(self, order: Order, log: Path) -> None:
        self.order, self.log = order, log
        self.process = ForkedProcess(main, [msgspec.json.encode(order).decode()], os.environ, log, log)

    def __str__(self) -> str:
        return self.order.name

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def limit_files(self, size: int) -> None:
        """No file of the process may grow past this: its disk is full, so far as it can tell."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(PATIENCE_S)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def get(self, path: str) -> dict[str, Any]:
        """The answer to a request; `{}` while nobody answers."""
        answered: dict[str, Any] = json.loads(self._text(path) or "{}")
        return answered

    def answer(self, path: str) -> str:
        """The same as it came, as soon as there is one."""

        def given() -> str:
            assert self.is_alive(), f"{self} ended:\n{self.said()[-3000:]}"
            return self._text(path)

        return until(given, f"{self} answers {path}")

    def _text(self, path: str) -> str:
        try:
            with urlopen(f"http://127.0.0.1:{self.order.port}{path}", timeout=ANSWER_S) as answer:
                return str(answer.read(), "utf-8")
        except HTTPError as error:
            return error.read().decode()
        except (URLError, OSError):
            return ""

    def tasks(self) -> dict[str, Any]:
        """What it says of its tasks and copies, and why it is unready, if so."""
        told: dict[str, Any] = json.loads(self.answer("/tasks"))
        return told

    def active(self) -> set[int]:
        """The partitions of its active tasks."""
        return active(self.tasks()["tasks"])

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this event, those of former replicas of the name before its own."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def standbys(self) -> dict[int, dict[str, Any]]:
        """Partition -> what it says of the copy that it keeps."""
        return {told["partition"]: told for told in self.tasks()["standbys"]}


def active(tasks: Iterable[dict[str, Any]]) -> set[int]:
    """The partitions of those that are active."""
    return {task["partition"] for task in tasks if task["state"] == "active"}


class Cluster:
    """Topics and workers of one topology; a context that leaves no process behind."""

    def __init__(self, log: Log, directory: Path, kind: str, name: str, **options: Any) -> None:
        self.log, self._directory = log, directory
        self._options = {"kind": kind, "topology": name, "shared": str(directory / "shared"), **options}
        self.workers: list[WorkerProcess] = []
        self._ports: dict[str, int] = {}
        self.topology: Topology = topology_of(self._order("none", 1))
        topics.apply(log.bootstrap, self.topology.topics(), PARTITIONS, 1)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.is_alive():
                worker.kill()

    @property
    def source(self) -> str:
        return next(iter(self.topology.sources))

    def start(self, name: str, *, elsewhere: bool = False, **options: Any) -> WorkerProcess:
        """Start a replica; one of a former name goes on with its directory, and at its address unless `elsewhere`."""
        if elsewhere or name not in self._ports:
            self._ports[name] = free_ports(0)[0]
        order = self._order(name, self._ports[name], **options)
        worker = WorkerProcess(order, self._directory / f"{name}.log")
        self.workers = [other for other in self.workers if other.order.name != name or other.is_alive()] + [worker]
        return worker

    def data_of(self, name: str) -> Path:
        return self._directory / name

    def ready(self, *workers: WorkerProcess) -> None:
        """Every partition is active on exactly these workers together, and each of them has some."""

        def shared_out() -> bool:
            held = [worker.active() for worker in workers]
            return all(held) and sorted(p for each in held for p in each) == list(range(PARTITIONS))

        until(shared_out, f"all partitions active on {[str(w) for w in workers]}")

    def quiet(self) -> None:
        """Every record of every topic that the tasks read is committed, and none waits in a table."""

        def is_quiet() -> bool:
            # asked again: what was committed since may have been parked
            return self._holds_nothing() and self.log.lag(self.topology) == 0 and self._holds_nothing()

        until(is_quiet, f"the group of {self.topology.name} at its ends")

    def is_whole(self) -> bool:
        """Every partition is active on one of those workers that answer."""
        return active(self._told()) == set(range(PARTITIONS))

    def _holds_nothing(self) -> bool:
        tasks = self._told()
        held = [task[what] for task in tasks for what in ("parked", "delayed", "in_flight", "dirty")]
        # of all: a worker that has just started, or is kept from answering, may hold the rest
        return active(tasks) == set(range(PARTITIONS)) and not any(held)

    def _told(self) -> list[dict[str, Any]]:
        """What those workers say of their tasks that answer."""
        return [task for worker in self.workers if worker.is_alive() for task in worker.get("/tasks").get("tasks", [])]

    def _order(self, name: str, port: int, **options: Any) -> Order:
        told = {"bootstrap": self.log.bootstrap, "name": name, "port": port, "directory": str(self._directory / name)}
        return msgspec.convert(told | self._options | options, Order)


class MakeCluster(Protocol):
    """Starts none of its workers; all are killed after the test."""

    def __call__(self, kind: str, **options: Any) -> Cluster: ...
