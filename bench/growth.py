"""What an event costs as state, workers and events grow: `python -m bench.growth`."""

import argparse
import sys
from typing import Any

import msgspec

from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from bench import reporting
from bench.events import OrderLog, produce
from bench.rows import Programs, Row
from bench.running import broker, run

SAMPLE = 200


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`items` of each order; with as many orders as events every event creates one."""

    grows: str
    events: int = 1_200_000
    orders: int = 50_000
    items: int = 2
    workers: int = 1


CASES = (
    Case(grows="state"),
    Case(grows="state", events=2_000_000, orders=500_000),
    Case(grows="state", events=7_000_000, orders=5_000_000),
    Case(grows="workers"),
    Case(grows="workers", workers=2),
    Case(grows="workers", workers=3),
    Case(grows="events", events=300_000, orders=300_000),
    Case(grows="events", events=300_000, orders=300_000, items=20),
    Case(grows="events", events=150_000, orders=150_000, items=100),
)


def measured(case: Case) -> dict[str, Any]:
    """One catch-up, with a broker and a log of its own. Every order is created before any other event."""
    log = OrderLog(case.orders, items=case.items)
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    bytes_each = sum(len(codec.encode(e)) for e in OrderLog(SAMPLE, items=case.items).one_each(SAMPLE)) // SAMPLE
    row = Row(name=f"orderflow_{case.grows}", title="orderflow", program="orderflow", processes=case.workers)
    program = Programs({row.program})[row.program]
    with broker() as bootstrap:
        produce(bootstrap, log.one_each(case.orders))
        produce(bootstrap, log.interleaved(case.events - case.orders))
        found = run(row, program, bootstrap, f"orderflow-bench-{case.grows}", case.events)
    return {
        "grows": case.grows,
        "keys": case.orders,
        "workers": case.workers,
        "bytes of a new order": bytes_each,
        "events/s": round(found.rate),
        "CPU s/1M": round(found.cpu_s_per_million, 2),
        "RSS MiB": round(found.peak_rss_mib),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the events and keys")
    parser.add_argument("--only", type=lambda text: set(text.split(",")), default={"state", "workers", "events"})
    asked, on, figures = parser.parse_args(), reporting.machine(), []
    for case in (case for case in CASES if case.grows in asked.only):
        events, orders = int(case.events * asked.scale), int(case.orders * asked.scale)
        figures.append(measured(msgspec.structs.replace(case, events=events, orders=orders)))
        sys.stderr.write(f"{figures[-1]}\n")
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "growth", on, figures))


if __name__ == "__main__":
    main()
