"""What a worker of many keys takes in memory, over time: `python -m bench.memory`.

Millions of orders, of rows that take more than twice the memory that they may: the worker catches up, runs at a steady
rate, loses its disk, restores, and runs again. Its RSS is looked at all the while.
"""

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench import reporting
from bench.events import OrderLog, produce
from bench.latency import offer
from bench.rows import RESTORE, Programs, Row
from bench.running import Started, broker

ALLOWED_MIB = 512
PROCESS_MIB = 128  # of it, what the process takes without any rows
SETTINGS = {"ORDERFLOW_STATE_MEMORY_MB": str(ALLOWED_MIB - PROCESS_MIB)}
WORKING = Row(name="orderflow_memory", title="orderflow", program="orderflow", environment=SETTINGS)
RESTORING = msgspec.structs.replace(RESTORE, environment=SETTINGS)

ITEMS = 8  # of an order: rows of more than 200 bytes
RATE = 2_000.0
LOOK_S = 1.0
GROUP = "orderflow-bench-memory"


class Sample(msgspec.Struct, frozen=True):
    phase: str
    at_s: float
    rss_mib: float


class Watch:
    """Looks at a process every `LOOK_S`, and notes what it did then."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._began = time.monotonic()

    @contextlib.contextmanager
    def during(self, phase: str, started: Started) -> Iterator[None]:
        stop = threading.Event()
        looking = threading.Thread(target=self._look, args=(phase, started, stop))
        looking.start()
        try:
            yield
        finally:
            stop.set()
            looking.join()

    def _look(self, phase: str, started: Started, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            self.samples.append(Sample(phase, round(time.monotonic() - self._began, 1), round(started.rss_mib())))

    def peak(self, phase: str) -> float:
        return max([sample.rss_mib for sample in self.samples if sample.phase == phase], default=0.0)


def measured(keys: int, steady_s: float) -> tuple[list[dict[str, Any]], list[Sample]]:
    log, watch, programs = OrderLog(keys, items=ITEMS), Watch(), Programs({"orderflow", "restore"})
    figures: list[dict[str, Any]] = []

    def noted(phase: str, rate: float, started: Started) -> None:
        disk_mib = sum(file.stat().st_size for file in started.home.rglob("*") if file.is_file()) >> 20
        peak = watch.peak(phase)
        figures.append({"phase": phase, "per s": round(rate), "peak RSS MiB": peak, "stores MiB": disk_mib})

    with broker() as bootstrap:
        produce(bootstrap, log.one_each(keys))
        for row, phase, after in ((WORKING, "catch up", "steady"), (RESTORING, "restore", "steady after it")):
            with Started(row, programs[row.program], bootstrap, GROUP, keys) as started:
                with watch.during(phase, started):
                    rate = started.measure(1).rate
                noted(phase, rate, started)
                with watch.during(after, started):
                    offer(bootstrap, list(log.interleaved(int(RATE * steady_s))), RATE)
                noted(after, RATE, started)
    return figures, watch.samples


def plot(samples: list[Sample]) -> str:
    """RSS over time, with the memory that is allowed."""
    width, height, left, bottom = 860, 300, 60, 40
    ends = {sample.phase: sample.at_s for sample in samples}
    most_s, most_mib = samples[-1].at_s, max(ALLOWED_MIB * 1.15, *(sample.rss_mib for sample in samples))

    def at(seconds: float, mib: float) -> str:
        x = left + seconds / most_s * (width - left - 20)
        return f"{x:.1f},{height - bottom - mib / most_mib * (height - bottom - 30):.1f}"

    line = " ".join(at(sample.at_s, sample.rss_mib) for sample in samples)
    limit = f"{at(0, ALLOWED_MIB)} {at(most_s, ALLOWED_MIB)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text {font: 12px sans-serif}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<polyline points="{limit}" fill="none" stroke="#c0392b" stroke-dasharray="6 4"/>',
        f'<polyline points="{line}" fill="none" stroke="#1f6f8b" stroke-width="2"/>',
        f'<text x="{left}" y="18" font-weight="bold">RSS, MiB (dashed: the {ALLOWED_MIB} that are allowed)</text>',
    ]
    for phase, end_s in ends.items():
        x, _, y = at(end_s, 0).partition(",")
        parts.append(f'<line x1="{x}" x2="{x}" y1="30" y2="{y}" stroke="#d8d8d8"/>')
        parts.append(f'<text x="{x}" y="{height - 20}" text-anchor="end">{phase}, {end_s:.0f} s</text>')
    for mib in range(0, int(most_mib), 128):
        y = at(0, mib).partition(",")[2]
        parts.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{mib}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--steady", type=float, default=60.0, help="seconds of steady load after each")
    parser.add_argument("--results", type=Path, default=reporting.RESULTS)
    asked, on = parser.parse_args(), reporting.machine()
    figures, samples = measured(asked.keys, asked.steady)
    sys.stdout.write(reporting.save_figures(asked.results, "memory", on, figures))
    (asked.results / "memory.svg").write_text(plot(samples))


if __name__ == "__main__":
    main()
