"""Hostile bytes by the million: `python -m bench.fuzz [--mutations N] [--seed S] [--processes P]`.

Prints one JSON line, and keeps it in `bench/results`: mutations run, what became of them, crashes, hangs, and how long
the decoder in use took for one, in milliseconds. Exits 1 when a process crashed or hung, two decoders differed, or a
refusal was no typed error.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from app.serde.decoder import DecoderName, decoder_in_use
from bench import reporting
from bench.mutations import Told

SHARE = 50_000


class Figures(msgspec.Struct, frozen=True):
    decoder: DecoderName
    mutations: int
    read: int
    refused: int
    untyped: int
    unequal: int
    crashes: int
    hangs: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    seconds: int

    @property
    def sound(self) -> bool:
        return self.untyped == self.unequal == self.crashes == self.hangs == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mutations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=reporting.RESULTS)
    asked, on = parser.parse_args(), reporting.machine()
    figures = fuzz(asked.mutations, asked.seed, asked.processes)
    sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    reporting.save_figures(asked.results, "fuzz", on, [msgspec.to_builtins(figures)])
    sys.exit(0 if figures.sound else 1)


def fuzz(mutations: int, seed: int, processes: int) -> Figures:
    began = time.monotonic()
    shares = [min(SHARE, mutations - done) for done in range(0, mutations, SHARE)]
    with ThreadPoolExecutor(processes) as pool:
        outcomes = list(pool.map(_run, shares, [seed * 1_000_000 + index for index in range(len(shares))]))
    told = [outcome for outcome in outcomes if isinstance(outcome, Told)]
    signals = [outcome for outcome in outcomes if not isinstance(outcome, Told)]
    times = sum((Counter(one.decided_us) for one in told), Counter[int]())
    return Figures(
        decoder=decoder_in_use(),
        mutations=times.total(),
        read=sum(one.read for one in told),
        refused=sum(one.refused for one in told),
        untyped=sum(one.untyped for one in told),
        unequal=sum(one.unequal for one in told),
        crashes=sum(number != signal.SIGALRM for number in signals),
        hangs=signals.count(signal.SIGALRM),
        p50_ms=_quantile(times, 0.5),
        p99_ms=_quantile(times, 0.99),
        most_ms=_quantile(times, 1.0),
        seconds=round(time.monotonic() - began),
    )


def _run(count: int, seed: int) -> Told | int:
    """What one process told, or the number of what ended it."""
    command = [sys.executable, "-m", "bench.mutations", str(count), str(seed)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if ended.returncode:
        sys.stderr.write(f"{' '.join(command)} ended with {ended.returncode}\n")
        return abs(ended.returncode)
    return msgspec.json.decode(ended.stdout, type=Told)


def _quantile(times: Counter[int], share: float) -> float:
    """In milliseconds, rounded up to a microsecond."""
    left = share * times.total()
    for microseconds, count in sorted(times.items()):
        left -= count
        if left <= 0:
            return (microseconds + 1) / 1000
    return 0.0


if __name__ == "__main__":
    main()
