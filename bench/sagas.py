"""What an order costs by either way of fulfilment, and how long it takes: `python -m bench.sagas`.

The capacity of the whole system of `orderflow demo` is measured first: orders of both kinds come in faster and faster,
up to the last rate at which 99 of 100 have their outcome within two seconds. Then they come in at 70 % of that, of both
kinds, and once more of one kind at a time. Latency is from the append of `OrderCreated` to that of the outcome; the
CPU is of all processes of orderflow, and of its servers.
"""

import argparse
import asyncio
import sys
from typing import Any

import msgspec
import psycopg

from app.cli.demoing.outcomes import wait_for_all
from app.cli.demoing.system import System
from app.cli.produce import receive_needed
from app.cli.producing.generator import generate, mix_of
from app.cli.producing.orders import PlannedOrder, needed_stock
from app.cli.producing.placing import place_orders
from app.observability.log import setup
from bench import reporting
from bench.latency import percentiles
from bench.processes import cpu_s
from bench.whole import whole_system

SHARE = 0.7
RAMP = (15, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160)  # orders/s
STEP_S = 15.0
LIMIT_MS = 2_000.0
AT_ONCE = 32
WARM_UP = 8000  # orders, after which Java has compiled what is used most
# the share of the orders that a saga fulfils
LOADS = {"both": 0.5, "choreography": 0.0, "orchestration": 1.0}
KINDS = ("choreography", "orchestration")
MOST = "<= 1.5"
# in the order in which the orders were created
SPANS = """
select extract(epoch from max(appended_at) - min(appended_at)) * 1000 from events
where order_id = any(%s) group by order_id having count(*) > 1 order by min(appended_at)
"""


class Spent(msgspec.Struct, frozen=True):
    """Seconds of CPU until the last outcome."""

    ours_s: float
    servers_s: float


def planned(run: str, count: int, orchestrated: float) -> list[PlannedOrder]:
    """Orders that nobody refuses: each has two events of its own, and one outcome."""
    generated = generate(2 * count, 1, run=run, orchestrated=orchestrated)
    return [order for order in generated if mix_of([order])["plain"]][:count]


async def fulfilled(system: System, name: str, orders: list[PlannedOrder], rate: float) -> Spent:
    """All of them, placed at that rate; 0: as fast as the API takes them."""
    await receive_needed(system.settings, name, needed_stock(orders))
    ours, servers = _ours(system), _servers(system)
    await place_orders(system.settings.api, orders, concurrency=AT_ONCE, rate=rate)
    await wait_for_all(system.settings.postgres, lambda _: None)
    return Spent(_ours(system) - ours, _servers(system) - servers)


def _ours(system: System) -> float:
    return cpu_s(system.children.pids().values())


def _servers(system: System) -> float:
    servers = (system.stack.kafka.process, system.stack.postgres.process)
    return cpu_s([process.pid for process in servers if process is not None])


def spans_ms(dsn: str, orders: list[PlannedOrder]) -> list[float]:
    """From the creation of each order to its outcome."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(SPANS, ([order.order_id for order in orders],)).fetchall()
    return [float(span) for (span,) in found]


async def capacity_of(system: System) -> int:
    """Orders/s of both kinds that come to their outcome in time; the first rate of the ramp, should none."""
    kept = RAMP[0]
    for rate in RAMP:
        orders = planned(f"ramp-{rate}", int(rate * STEP_S), 0.5)
        await fulfilled(system, f"ramp-{rate}", orders, rate)
        if percentiles("ramp", 1, spans_ms(system.settings.postgres, orders)).p99_ms > LIMIT_MS:
            break
        kept = rate
    return kept


async def measured(system: System, load: str, capacity: int, seconds: float) -> list[dict[str, Any]]:
    """The kinds of orders in a load, at their share of the capacity."""
    rate = SHARE * capacity
    orders = planned(load, int(rate * seconds), LOADS[load])
    spent = await fulfilled(system, load, orders, rate)
    cost = {
        "CPU ms/order": round(1000 * spent.ours_s / len(orders), 1),
        "servers' CPU ms/order": round(1000 * spent.servers_s / len(orders), 1),
    }
    rows = []
    for kind in KINDS:
        if of_kind := [order for order in orders if order.fulfilment == kind]:
            spans = spans_ms(system.settings.postgres, of_kind)
            found = percentiles(kind, 1, spans)
            rows.append(
                {
                    "load": load,
                    "kind": kind,
                    "capacity orders/s": capacity,
                    "orders/s offered": round(rate),
                    "orders": len(of_kind),
                    "without outcome": len(of_kind) - len(spans),
                    "p50 ms": round(found.p50_ms),
                    "p99 ms": round(found.p99_ms),
                    "max ms": round(found.max_ms),
                    **cost,
                }
            )
    return rows


def beside(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each with its p99 beside that of choreography under the same conditions, and what is wanted of that."""
    first = {row["load"]: row["p99 ms"] for row in figures if row["kind"] == KINDS[0]}
    return [
        row
        | {
            "p99 / choreography's": round(row["p99 ms"] / first.get(row["load"], first[KINDS[0]]), 2),
            "wanted": MOST if row["kind"] == KINDS[1] and row["load"] in first else "",
        }
        for row in figures
    ]


async def _all(seconds: float) -> list[dict[str, Any]]:
    async with whole_system() as system:
        await fulfilled(system, "warm-up", planned("warm-up", WARM_UP, 0.5), 0)
        capacity = await capacity_of(system)
        return beside([row for load in LOADS for row in await measured(system, load, capacity, seconds)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for which orders of each kind come in")
    asked, on = parser.parse_args(), reporting.machine()
    setup("warning")
    figures = asyncio.run(_all(asked.seconds))
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "sagas", on, figures))


if __name__ == "__main__":
    main()
