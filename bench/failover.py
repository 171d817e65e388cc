"""How long the keys of a killed worker stand still: `python -m bench.failover`.

Two workers share a log with many rows, and go on at a steady rate; one gets kill -9. A partition stands still from its
last changelog record before to its first after, read committed; the session's time-out is part of that.
"""

import argparse
import sys
import threading
import time
from itertools import pairwise
from typing import Any

from confluent_kafka import Consumer

from app.config import Settings
from bench import reporting
from bench.events import OrderLog, produce
from bench.latency import at_the_end, offer
from bench.rows import Programs, Row
from bench.running import Started, broker

RATE = 400.0
BEFORE_S = 5.0
CASES: dict[str, dict[str, str]] = {"without": {}, "with one": {"ORDERFLOW_STANDBYS": "1"}}


def measured(standby: str, rows: int, after_s: float) -> dict[str, Any]:
    log = OrderLog(rows)
    row = Row(
        name="orderflow",
        title="orderflow",
        program="orderflow",
        interval_ms=100,
        processes=2,
        environment=CASES[standby],
    )
    with broker() as bootstrap:
        produce(bootstrap, log.one_each(rows))
        program = Programs({row.program})[row.program]
        with Started(row, program, bootstrap, "orderflow-bench-failover", rows) as started:
            started.measure(1)
            stood = _stood_still(started, bootstrap, log, after_s)
    timeout_s = Settings().session_timeout
    return {
        "standby": standby,
        "rows": rows,
        "stood still s": round(stood, 2),
        "of it after the session's end s": round(max(0.0, stood - timeout_s), 2),
    }


def _stood_still(started: Started, bootstrap: str, log: OrderLog, after_s: float) -> float:
    times: dict[int, list[float]] = {}
    stop = threading.Event()
    reading = threading.Thread(target=_read, args=(at_the_end(bootstrap, started.changelog), times, stop))
    reading.start()
    events = list(log.interleaved(int(RATE * (BEFORE_S + after_s))))
    killing = threading.Timer(BEFORE_S, started.kill)
    killing.start()
    offer(bootstrap, events, RATE)
    time.sleep(1.0)  # what was offered last is committed by then
    stop.set()
    reading.join()
    return max(after - before for moments in times.values() for before, after in pairwise(moments))


def _read(consumer: Consumer, times: dict[int, list[float]], stop: threading.Event) -> None:
    while not stop.is_set():
        first = consumer.poll(0.1)
        for message in [] if first is None else [first, *consumer.consume(1000, 0)]:
            if not message.error():
                times.setdefault(message.partition(), []).append(time.monotonic())
    consumer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--after", type=float, default=60.0, help="seconds of load after the kill")
    asked, on = parser.parse_args(), reporting.machine()
    figures = [measured(standby, asked.rows, asked.after) for standby in CASES]
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "failover", on, figures))


if __name__ == "__main__":
    main()
