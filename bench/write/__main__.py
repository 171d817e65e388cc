"""`python -m bench.write`: the write side beside its peers. Part of `make bench`; `--quick`: shorter, one round."""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from app.errors import OrderflowError
from bench import reporting
from bench.write import appending, capturing, reading, relaying
from bench.write.servers import Servers, peer, servers

WRITERS = (1, 4, 16, 64)
STREAM = 10_000
RATE = 500.0
SETTLE_S = 120.0  # by then Java has compiled most of what each of these transactions takes
HELD_S = 30.0
# ratio -> what is wanted of it
BARS = {"append_16": ">= 8", "relay_naive": ">= 60", "relay_debezium": ">= 5", "rehydrate": ">= 4"}


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    rounds: int = 3
    seconds: float = 5.0
    paced_s: float = 20.0
    relayed: int = 300_000
    naive: int = 6_000
    # what a slot may keep of the log is a little more than twice as much
    captured: int = 100_000


QUICK = Sizes(rounds=1, seconds=3.0, paced_s=10.0)


class Session:
    """Each measurement in rounds, ours and the peer's in turn; a figure is the median of those that count."""

    def __init__(self, on: Servers, sizes: Sizes) -> None:
        self._on, self._sizes = on, sizes
        self.figures: list[dict[str, Any]] = []
        self.ratios: dict[str, float] = {}

    def append(self, writers: int) -> None:
        seconds = self._sizes.seconds
        self._beside(
            f"append_{writers}",
            f"appends/s, writers: {writers}",
            lambda: asyncio.run(appending.as_fast_as_possible(self._on.migrated(), writers, seconds)),
            lambda: float(peer(self._on.empty(), "append", writers, seconds, connections=writers)["rate"]),
            peer_name="pyeventsourcing",
        )

    def relay(self) -> None:
        kafka = self._on.kafka
        self._beside(
            "relay_naive",
            "rows published/s",
            lambda: relaying.ours(self._on.migrated(), kafka, self._sizes.relayed),
            lambda: relaying.commonly_written(self._on.empty(), kafka, self._sizes.naive),
            peer_name="SKIP LOCKED, publish each, update each",
        )

    def capture(self) -> None:
        """Left out, in words, where Connect or Debezium cannot be had, or does not do it."""
        kafka = self._on.kafka
        try:
            self._beside(
                "relay_debezium",
                "rows published/s",
                lambda: relaying.ours(self._on.migrated(), kafka, self._sizes.relayed),
                lambda: capturing.debezium(self._on.migrated(), kafka, self._sizes.captured),
                peer_name="Debezium",
            )
        except OrderflowError as error:
            self._add(
                what="rows published/s", orderflow="", peer="left out", beside=f"Debezium: {error}", ratio="", wanted=""
            )

    def rehydrate(self) -> None:
        from_snapshots: list[float] = []

        def ours() -> float:
            from_all_s, from_snapshot_s = reading.measured(self._on.migrated(), STREAM)
            from_snapshots.append(1 / from_snapshot_s)
            return 1 / from_all_s

        self._beside(
            "rehydrate",
            f"orders of {STREAM:,} events read/s, from all of them",
            ours,
            lambda: 1 / float(peer(self._on.empty(), "rehydrate", STREAM)["seconds"]),
            peer_name="pyeventsourcing",
        )
        figure = f"{statistics.median(from_snapshots):,.1f}"
        self._add(what="the same from their snapshots", orderflow=figure, peer="", beside="", ratio="", wanted="")

    def _beside(
        self, name: str, what: str, ours: Callable[[], float], theirs: Callable[[], float], *, peer_name: str
    ) -> None:
        # the first is not counted: Java compiles what the broker does then
        _, *rounds = [(ours(), theirs()) for _ in range(1 + self._sizes.rounds)]
        us, them = (statistics.median(side) for side in zip(*rounds, strict=True))
        self.ratios[name] = round(us / them, 2)
        self._add(
            what=what,
            orderflow=f"{us:,.1f}",
            peer=f"{them:,.1f}",
            beside=peer_name,
            ratio=self.ratios[name],
            wanted=BARS.get(name, ""),
        )

    def latency(self) -> None:
        """At a steady rate: of an append, and from its commit until a reader has it."""
        dsn = self._on.migrated()
        delays = asyncio.run(appending.at_a_rate(dsn, RATE, self._sizes.paced_s))
        self._percentiles("append", delays, "p99 <= 2 x p50 + 5")
        committed: dict[str, float] = {}
        with relaying.running(dsn, self._on.kafka), relaying.Reading(self._on.kafka) as read:
            asyncio.run(appending.at_a_rate(dsn, RATE, SETTLE_S))
            asyncio.run(appending.at_a_rate(dsn, RATE, self._sizes.paced_s, committed.__setitem__))
            relaying.wait_for(read, committed)
        delays = [(read.seen[order_id] - at) * 1000 for order_id, at in committed.items()]
        self._percentiles("commit to consumed", delays, "p99 <= 20")

    def held_up(self) -> None:
        """By a transaction that stays open, with what comes in at the same rate in half a minute."""
        rows = int(RATE * HELD_S)
        told_s, out_s = relaying.held_up(self._on.migrated(), self._on.empty(), self._on.kafka, rows)
        for what, seconds, wanted in (
            ("a transaction that holds the relay back is named, after s", told_s, "<= 5"),
            (f"{rows:,} rows that it held back are published, after s", out_s, "<= 2"),
        ):
            self._add(what=what, orderflow=f"{seconds:.1f}", peer="", beside="", ratio="", wanted=wanted)

    def _percentiles(self, what: str, delays_ms: list[float], wanted: str) -> None:
        ordered = sorted(delays_ms)
        p50, p99 = (f"{ordered[int(len(ordered) * share)]:.1f}" for share in (0.5, 0.99))
        figures = {"what": f"{what} at {RATE:.0f}/s: p50 and p99 in ms", "orderflow": f"{p50} and {p99}"}
        self._add(**figures, peer="", beside="", ratio="", wanted=wanted)

    def _add(self, **figure: Any) -> None:
        self.figures.append(figure)
        sys.stderr.write(f"{figure['what']}: {figure['orderflow']}  {figure['peer']}  {figure['ratio']}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    # what else `make bench` takes is for the other programs
    asked, _ = parser.parse_known_args()
    on = reporting.machine()
    sizes = QUICK if asked.quick else Sizes()
    with servers() as both:
        bulk = Session(both, sizes)
        for writers in WRITERS:
            bulk.append(writers)
        bulk.relay()
        bulk.capture()
        bulk.rehydrate()
    # on others: those are long busy with what they were given
    with servers() as both:
        steady = Session(both, sizes)
        steady.latency()
        steady.held_up()
    figures = bulk.figures + steady.figures
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "write", on, figures))
    reporting.add_ratios(reporting.RESULTS, bulk.ratios)


if __name__ == "__main__":
    main()
