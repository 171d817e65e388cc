"""Runs a row: starts its processes over a log, waits for the line that each ends with, and adds these up."""

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

import msgspec

from app.embedded import processes
from app.embedded.java import SMALL
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.errors import SetupError
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.names import changelog_topic
from app.streaming.topology import TopicSpec
from bench.rows import Row

# What Kafka's documentation gives a broker in production ("Java Version"). The embedded one's 256 MB and its collector
# stop it for 20 ms of each second.
LARGE = (
    "-Xms6g",
    "-Xmx6g",
    "-XX:MetaspaceSize=96m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:G1HeapRegionSize=16M",
    "-XX:MinMetaspaceFreeRatio=50",
    "-XX:MaxMetaspaceFreeRatio=80",
    "-XX:+ExplicitGCInvokesConcurrent",
)
PARTITIONS = 4
LIMIT_S = 600.0
STOP_S = 15.0
TABLE = "order_summaries"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a row measured of itself, from its first processed record to its committed end; CPU of all its threads."""

    row: str
    round: int
    events: int
    seconds: float
    first_half_seconds: float
    second_half_seconds: float
    cpu_s: float
    peak_rss_mib: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def second_half_rate(self) -> float:
        return self.events / 2 / self.second_half_seconds

    @property
    def cpu_s_per_million(self) -> float:
        return self.cpu_s / self.events * 1e6


@contextlib.contextmanager
def broker(java: Sequence[str] = SMALL) -> Iterator[str]:
    """A broker of its own with an empty `orders.events`; answers where it is. `java` is of what size."""
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as directory:
        kafka = KafkaServer(Path(directory) / "kafka", java=java)
        kafka.start()
        try:
            topics.apply(kafka.bootstrap, [TopicSpec(ORDERS_EVENTS, "events")], PARTITIONS, 1)
            yield kafka.bootstrap
        finally:
            kafka.stop()


class Started:
    """The processes of one row, working; leaving the block ends them."""

    def __init__(
        self, row: Row, program: Sequence[str], bootstrap: str, group: str, events: int, topic: str = ORDERS_EVENTS
    ) -> None:
        self.row, self.group, self.changelog = row, group, changelog_topic(group, TABLE)
        self._directory = tempfile.TemporaryDirectory(prefix=f"orderflow-bench-{row.name}-", ignore_cleanup_errors=True)
        self.home = Path(self._directory.name)
        addresses = [f"127.0.0.1:{port}" for port in free_ports(*[0] * row.processes)] if row.processes > 1 else []
        asked = [
            *("--bootstrap", bootstrap, "--topic", topic, "--group", group, "--changelog", self.changelog),
            *("--events", str(events), "--interval-ms", str(row.interval_ms)),
            *(["--exactly-once"] if row.exactly_once else []),
            *(["--parallelism", str(row.parallelism)] if row.parallelism > 1 else []),
            *(["--addresses", ",".join(addresses)] if addresses else []),
        ]
        self._processes = [self._start([*program, *asked], index) for index in range(row.processes)]

    def _start(self, command: list[str], index: int) -> Popen[bytes]:
        directory = self.home / str(index)
        directory.mkdir()
        own = ["--process", str(index)] if self.row.processes > 1 else []
        return processes.start(
            [*command, *own, "--directory", str(directory)],
            directory=Path(__file__).parents[1],
            log=self._log(index),
            environment={**os.environ, **self.row.environment},
        )

    def _log(self, index: int) -> Path:
        return self.home / f"{index}.log"

    def __enter__(self) -> "Started":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            processes.end(process, signal.SIGTERM, STOP_S)
        self._directory.cleanup()

    def measure(self, round_number: int) -> Run:
        """Waits for the end of the work; a `SetupError` shows the log of a process that ended without its line."""
        deadline = time.monotonic() + LIMIT_S
        lines = [self._line(index, deadline) for index in range(len(self._processes))]
        if not all(line["events"] for line in lines):
            raise SetupError(f"{self.row.title} has measured nothing: the log is too short for it")
        return added_up(self.row.name, round_number, lines)

    def rss_mib(self) -> float:
        """What they take in memory now."""
        pages = [int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) for process in self._processes]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def kill(self) -> None:
        """The last of the processes, as a crash would."""
        self._processes[-1].kill()

    def check(self) -> None:
        """A `SetupError` when a process has ended without its line."""
        for index, process in enumerate(self._processes):
            if process.poll() is not None and measured_line(self._log(index).read_text(errors="replace")) is None:
                tail = processes.tail(self._log(index))
                raise SetupError(f"{self.row.title} ended with code {process.returncode}; the end of its log:\n{tail}")

    def _line(self, index: int, deadline: float) -> dict[str, Any]:
        while True:
            self.check()
            line = measured_line(self._log(index).read_text(errors="replace"))
            if line is not None:
                return line
            if time.monotonic() > deadline:
                tail = processes.tail(self._log(index))
                raise SetupError(f"{self.row.title} has not ended after {LIMIT_S:.0f} s; the end of its log:\n{tail}")
            time.sleep(0.1)


def run(
    row: Row,
    program: Sequence[str],
    bootstrap: str,
    group: str,
    events: int,
    *,
    number: int = 1,
    topic: str = ORDERS_EVENTS,
) -> Run:
    """A row over the first `events` of a topic, start to end."""
    with Started(row, program, bootstrap, group, events, topic) as started:
        return started.measure(number)


def measured_line(log: str) -> dict[str, Any] | None:
    """The line of JSON with which a peer tells its measure, among whatever else it wrote."""
    for line in reversed(log.splitlines()):
        if line.startswith("{") and '"peak_rss_mib"' in line:
            found: dict[str, Any] = json.loads(line)
            return found
    return None


def added_up(row: str, round_number: int, lines: list[dict[str, Any]]) -> Run:
    """One run of processes that shared the work: from the first that began to the last that ended."""
    seconds, first_half = lines[0]["seconds"], lines[0]["first_half_seconds"]
    if len(lines) > 1:
        began = min(line["began"] for line in lines)
        seconds = max(line["ended"] for line in lines) - began
        first_half = sum(line["began"] - began + line["first_half_seconds"] for line in lines) / len(lines)
    return Run(
        row=row,
        round=round_number,
        events=sum(line["events"] for line in lines),
        seconds=seconds,
        first_half_seconds=first_half,
        second_half_seconds=seconds - first_half if len(lines) > 1 else lines[0]["second_half_seconds"],
        cpu_s=sum(line["cpu_s"] for line in lines),
        peak_rss_mib=sum(line["peak_rss_mib"] for line in lines),
    )
