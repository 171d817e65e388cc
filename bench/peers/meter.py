"""How a peer written in Python measures itself: from its first processed record to its committed end."""

import json
import os
import resource
import sys
import time
from pathlib import Path


class Meter:
    """Counts processed events; `report` prints the one line that a peer ends with."""

    def __init__(self, expected: int) -> None:
        self.expected, self.count = expected, 0
        self._began = self._at = self._half = 0.0
        self._cpu_s = 0.0

    def begin(self) -> None:
        """The first record is about to be processed; later calls do nothing."""
        if not self._began:
            self._began = self._at = time.monotonic()
            self._cpu_s = _cpu_s()

    def add(self, count: int = 1) -> None:
        """So many more were processed. The moment of the middle one is interpolated."""
        self.begin()
        self.count += count
        before, self._at = self._at, time.monotonic()
        if not self._half and self.count * 2 >= self.expected:
            self._half = self._at - (self._at - before) * (self.count - self.expected / 2) / count

    def report(self) -> None:
        """All is committed now."""
        ended, cpu_s = time.monotonic(), _cpu_s()
        line = {
            "events": self.count,
            "seconds": ended - self._began,
            "first_half_seconds": self._half - self._began,
            "second_half_seconds": ended - self._half,
            "cpu_s": cpu_s - self._cpu_s,
            "peak_rss_mib": _peak_rss_mib(),
            "began": self._began,
            "ended": ended,
        }
        os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, json.dumps(line).encode() + b"\n")


def _cpu_s() -> float:
    """Of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_rss_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
