"""The CPU that processes take, as the kernel counts it."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# of /proc/PID/stat behind the name: the parent; user and system time, of the process and of its ended children
_PARENT, _TIMES = 1, slice(11, 15)


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds that these processes and all their descendants have taken since they began."""
    wanted, stats = set(pids), _stats()
    while more := {pid for pid, stat in stats.items() if int(stat[_PARENT]) in wanted} - wanted:
        wanted |= more
    return sum([int(ticks) for pid in wanted & stats.keys() for ticks in stats[pid][_TIMES]]) / _TICKS


def _stats() -> dict[int, list[str]]:
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                found[int(directory.name)] = (directory / "stat").read_text().rpartition(")")[2].split()
    return found
