"""`make bench`: orderflow beside its peers on the same work, in interleaved rounds; results go to `bench/results`.

`--quick`: one round. `--only a,b`: these programs alone. `--scale`: a share of the events, to try things out.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from app.errors import SetupError
from app.serde.decoder import decoder_in_use
from app.serde.topics import ORDERS_EVENTS
from app.streaming.names import changelog_topic
from bench import reporting
from bench.events import OrderLog, produce
from bench.latency import Latency, measure
from bench.rows import CATCH_UP, CONSUME, LATENCY, MANY_KEYS, RESTORE, Programs, Row
from bench.running import TABLE, Run, Started, broker, run

GROUP = "orderflow-bench"


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    rounds: int = 3
    events: int = 1_200_000
    orders: int = 50_000
    many_events: int = 4_800_000
    many_orders: int = 600_000
    latency_events: int = 50_000

    def scaled(self, share: float) -> "Sizes":
        fields = msgspec.structs.asdict(self)
        return Sizes(**{name: value if name == "rounds" else int(value * share) for name, value in fields.items()})


class Session:
    """One `make bench`: a stage at a time, each with a broker and a log of its own."""

    def __init__(self, programs: Programs, sizes: Sizes) -> None:
        self.programs, self.sizes = programs, sizes
        self.runs: reporting.Runs = []
        self.failed: dict[str, str] = {}

    def catch_up(self) -> None:
        with broker() as bootstrap:
            produce(bootstrap, OrderLog(self.sizes.orders).interleaved(self.sizes.events))
            for number, row in self._rounds(CATCH_UP):
                self._run(row, bootstrap, number, min(self.sizes.events, row.at_most))

    def many_keys(self) -> None:
        with broker() as bootstrap:
            produce(bootstrap, OrderLog(self.sizes.many_orders).interleaved(self.sizes.many_events))
            for number, row in self._rounds(MANY_KEYS):
                measured = self._run(row, bootstrap, number, self.sizes.many_events)
                if row.program == "orderflow" and measured is not None:
                    self._restore(bootstrap, number, f"{GROUP}-{row.name}-{number}")

    def latency(self) -> None:
        """Each event that is offered is of another order, all of which the log before has created."""
        count, log = self.sizes.latency_events, OrderLog(self.sizes.latency_events)
        with broker() as bootstrap:
            behind = produce(bootstrap, log.one_each(count))
            for number, row in self._rounds(LATENCY):
                group = f"{GROUP}-{row.name}-{number}"
                try:
                    with Started(row, self.programs[row.program], bootstrap, group, behind + count) as started:
                        self._add(measure(started, bootstrap, behind, log.one_each(count), number))
                except SetupError as error:
                    self._fail(row, error)
                behind += count

    def _rounds(self, rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
        for number in range(1, self.sizes.rounds + 1):
            for row in rows:
                if row.program in self.programs and row.name not in self.failed:
                    yield number, row

    def _run(
        self, row: Row, bootstrap: str, number: int, events: int, group: str = "", topic: str = ORDERS_EVENTS
    ) -> Run | None:
        group = group or f"{GROUP}-{row.name}-{number}"
        try:
            measured = run(row, self.programs[row.program], bootstrap, group, events, number=number, topic=topic)
        except SetupError as error:
            self._fail(row, error)
            return None
        self._add(measured)
        return measured

    def _restore(self, bootstrap: str, number: int, group: str) -> None:
        """What a run has left in its changelog: read bare, then by a worker of its group with an empty disk."""
        read = self._run(CONSUME, bootstrap, number, 1, topic=changelog_topic(group, TABLE))
        if read is not None:
            self._run(RESTORE, bootstrap, number, read.events, group)

    def _add(self, measured: Run | Latency) -> None:
        self.runs.append(measured)
        told = f"{measured.rate:,.0f} events/s" if isinstance(measured, Run) else f"p99 {measured.p99_ms:.0f} ms"
        sys.stderr.write(f"round {measured.round}  {measured.row:28} {told}\n")

    def _fail(self, row: Row, error: SetupError) -> None:
        self.failed[row.name] = str(error)
        sys.stderr.write(f"{row.title} is left out: {error}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=lambda text: set(text.split(",")))
    parser.add_argument("--stages", type=lambda text: text.split(","), default=["catch_up", "many_keys", "latency"])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--results", type=Path, default=reporting.RESULTS)
    asked = parser.parse_args()
    wanted = {row.program for row in (*CATCH_UP, *MANY_KEYS, *LATENCY)}
    programs = Programs((asked.only & wanted if asked.only else wanted) | {"restore", "librdkafka"})
    sizes = Sizes(rounds=1 if asked.quick else asked.rounds).scaled(asked.scale)
    on, session = reporting.machine(), Session(programs, sizes)
    settings = msgspec.to_builtins(sizes) | {"decoder": decoder_in_use()}
    for stage in asked.stages:
        getattr(session, stage)()
        left_out = programs.left_out | session.failed
        reporting.save(asked.results, session.runs, on, settings, left_out)
    sys.stdout.write(reporting.table(session.runs))
    for name, why in (programs.left_out | session.failed).items():
        sys.stdout.write(f"\nleft out: {name}: {why.splitlines()[0]}\n")


if __name__ == "__main__":
    main()
