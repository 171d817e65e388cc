"""What an order costs by either way of fulfilment, and how long it takes: `python -m bench.sagas`.

The capacity of the whole system of `orderflow demo` is measured first: orders of both kinds come in faster and faster,
up to the last rate at which 99 of 100 have their outcome within two seconds. Then they come in at 70 % of that, of both
kinds, and once more of one kind at a time. Latency is from the append of `OrderCreated` to that of the outcome; the
CPU is of all processes of orderflow, and of its servers. Latencies of several rounds are their medians, and so are the
kinds beside each other within a round: a machine that is used up makes some rounds slower than others, for both kinds.
"""

import argparse
import asyncio
import statistics
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
from bench.latency import Latency, percentiles
from bench.processes import cpu_s
from bench.whole import whole_system

SHARE = 0.7
RAMP = (15, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160)  # orders/s
STEP_S = 15.0
LIMIT_MS = 2_000.0
AT_ONCE = 32
WARM_UP = 8000  # orders, after which Java has compiled what is used most
# the share of the orders that a saga fulfils, and how many rounds
LOADS = {"both": (0.5, 5), "choreography": (0.0, 1), "orchestration": (1.0, 1)}
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


class Round(msgspec.Struct, frozen=True):
    """`orders` and `lost`, those without an outcome, of each kind that came in; so are the latencies `found`."""

    orders: dict[str, int]
    lost: dict[str, int]
    spent: Spent
    found: dict[str, Latency]


async def measured(system: System, name: str, orchestrated: float, rate: float, seconds: float) -> Round:
    orders = planned(name, int(rate * seconds), orchestrated)
    spent = await fulfilled(system, name, orders, rate)
    of_kinds = {kind: [order for order in orders if order.fulfilment == kind] for kind in KINDS}
    spans = {kind: spans_ms(system.settings.postgres, of_kind) for kind, of_kind in of_kinds.items() if of_kind}
    return Round(
        orders={kind: len(of_kinds[kind]) for kind in spans},
        lost={kind: len(of_kinds[kind]) - len(found) for kind, found in spans.items()},
        spent=spent,
        found={kind: percentiles(kind, 1, found) for kind, found in spans.items()},
    )


def figures(runs: dict[str, list[Round]]) -> list[dict[str, Any]]:
    """Of each kind in each load, in the rounds of it: its p99 also beside that of choreography in the same round, or,
    where it came in alone, in that of choreography alone."""
    return [
        _figures(load, kind, rounds, rounds if KINDS[0] in rounds[0].found else runs[KINDS[0]])
        for load, rounds in runs.items()
        for kind in rounds[0].found
    ]


def _figures(load: str, kind: str, rounds: list[Round], beside: list[Round]) -> dict[str, Any]:
    of_kind = [one.found[kind] for one in rounds]
    orders = sum(sum(one.orders.values()) for one in rounds)
    first = [one.found[KINDS[0]] for one in beside]
    ratios = [one.p99_ms / other.p99_ms for one, other in zip(of_kind, first, strict=True)]
    return {
        "load": load,
        "kind": kind,
        "rounds": len(rounds),
        "orders": sum(one.orders[kind] for one in rounds),
        "without outcome": sum(one.lost[kind] for one in rounds),
        "p50 ms": round(statistics.median(one.p50_ms for one in of_kind)),
        "p99 ms": round(statistics.median(one.p99_ms for one in of_kind)),
        "max ms": round(max(one.max_ms for one in of_kind)),
        "CPU ms/order": round(1000 * sum(one.spent.ours_s for one in rounds) / orders, 1),
        "servers' CPU ms/order": round(1000 * sum(one.spent.servers_s for one in rounds) / orders, 1),
        "p99 / choreography's": round(statistics.median(ratios), 2),
        "from and to": f"{min(ratios):.2f} and {max(ratios):.2f}",
        "wanted": MOST if kind != KINDS[0] and beside is rounds else "",
    }


async def _all(seconds: float) -> list[dict[str, Any]]:
    runs: dict[str, list[Round]] = {}
    async with whole_system() as system:
        await fulfilled(system, "warm-up", planned("warm-up", WARM_UP, 0.5), 0)
        capacity = await capacity_of(system)
        rate = SHARE * capacity
        for load, (orchestrated, count) in LOADS.items():
            runs[load] = [await measured(system, f"{load}-{n}", orchestrated, rate, seconds) for n in range(count)]
    return [{"capacity orders/s": capacity, "orders/s offered": round(rate)} | one for one in figures(runs)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40.0, help="for which orders come in, in each round")
    asked, on = parser.parse_args(), reporting.machine()
    setup("warning")
    found = asyncio.run(_all(asked.seconds))
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "sagas", on, found))


if __name__ == "__main__":
    main()
