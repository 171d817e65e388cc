"""A reader of the page about a new projection, who does what it says in a copy of the checkout."""

import json
import shutil
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from app.domain.events import Event, EventVoided, OrderCancelled, OrderConfirmed
from app.embedded import processes
from app.embedded.ports import free_ports
from app.errors import PoisonError
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka.log import read_topic
from tests.docs.pages import ROOT, Block, edited
from tests.docs.running import Demo
from tests.docs.terminal import Terminal
from tests.waiting import until

PARTITIONS = 4
PORT = "8090"  # on the page; here any free one
STOP_S = 20.0


class Reader:
    """`read` and `folded`: lines that the page's commands print, and those that a plain fold of the topic makes."""

    def __init__(self, demo: Demo, directory: Path) -> None:
        for folder in ("app", "topologies", "schemas"):
            shutil.copytree(ROOT / folder, directory / folder)
        (directory / ".orderflow").symlink_to(demo.data)
        self._directory, self._port = directory, str(free_ports(0)[0])
        self._terminal = Terminal(directory, {"PYTHONPATH": str(directory)})
        self._kafka: str = json.loads((demo.data / "running.json").read_text())["kafka"]
        self._log = directory / "worker.log"
        self._worker: subprocess.Popen[bytes] | None = None
        self.read: dict[str, list[str]] = {}
        self.folded: dict[str, list[str]] = {}
        self.refusals: list[tuple[int | None, str, str]] = []

    def follow(self, block: Block) -> None:
        """Do what one block asks for."""
        path = self._directory / block.names
        if block.language == "python":
            assert not path.exists(), f"{path} is to be a new file"
            path.write_text(block.text)
        elif block.language == "diff":
            path.write_text(edited(path.read_text(), block.text))
        elif block.language == "sh":
            self._type(block.text.replace(PORT, self._port))
        elif block.names == "refusal":
            self.refusals.append((self._ended_with(), self._log.read_text(errors="replace"), block.text))
        else:
            assert block.language == "text", f"nobody knows how to follow a block of {block.language!r}"

    def stop(self) -> None:
        """Ctrl-C in the worker's terminal."""
        if self._worker is not None and self._worker.poll() is None:
            processes.end(self._worker, signal.SIGINT, STOP_S)

    def _type(self, commands: str) -> None:
        *before, last = commands.splitlines()
        if last.startswith("make demo"):
            return  # it runs already
        if " worker " in last:
            self.stop()
            self._terminal.run("\n".join(before))
            self._log.unlink(missing_ok=True)
            self._worker = self._terminal.start(last, self._log)
            until(self._runs_or_ended, "the worker runs, or has ended")
        elif "import SUMS" in commands:
            self._read_until_agreed("sums", commands)
        elif "import TIMES" in commands:
            self._read_until_agreed("times", commands)
        else:
            self._terminal.run(commands)

    def _ended_with(self) -> int | None:
        return None if self._worker is None else self._worker.poll()

    def _runs_or_ended(self) -> bool:
        return self._ended_with() is not None or self._active_tasks() == PARTITIONS

    def _active_tasks(self) -> int:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/tasks", timeout=5) as answer:
                tasks: list[dict[str, Any]] = json.load(answer)["tasks"]
        except (URLError, OSError):
            return 0
        return sum(task["state"] == "active" for task in tasks)

    def _read_until_agreed(self, name: str, commands: str) -> None:
        """The table follows its topic."""
        fold = {"times": times, "sums": sums}[name]

        def agree() -> bool:
            self.read[name] = sorted(self._terminal.run(commands).splitlines())
            self.folded[name] = sorted(fold(history(self._kafka)))
            return self.read[name] == self.folded[name]

        until(agree, f"{name} that are the fold of the topic")


def history(kafka: str) -> dict[str, list[Event]]:
    """The events of each order, in order; without the hostile records that the page about dead letters has sent: what
    cannot be decoded, and what is not under the key of its order. Without what stands in place of skipped events."""
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    events: dict[str, list[Event]] = defaultdict(list)
    for record in read_topic(kafka, ORDERS_EVENTS):
        with suppress(PoisonError):
            event = codec.decode(record.value)
            if record.key == codec.key(event) and not isinstance(event, EventVoided):
                events[event.order_id].append(event)
    return events


def times(orders: dict[str, list[Event]]) -> Iterable[str]:
    for order_id, events in orders.items():
        outcome = outcome_of(events[-1])
        waited = events[-1].occurred_at - events[0].occurred_at if outcome else 0
        yield f"{order_id} {waited} {outcome}"


def sums(orders: dict[str, list[Event]]) -> Iterable[str]:
    counts, waits = Counter[str](), Counter[str]()
    for events in orders.values():
        if outcome := outcome_of(events[-1]):
            counts[outcome] += 1
            waits[outcome] += events[-1].occurred_at - events[0].occurred_at
    return [f"{count} {waits[outcome]} {outcome}" for outcome, count in counts.items()]


def outcome_of(last: Event) -> str | None:
    if isinstance(last, OrderCancelled):
        return last.reason
    return "confirmed" if isinstance(last, OrderConfirmed) else None
