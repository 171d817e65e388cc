"""What keys that are blocked cost the others: `python -m bench.blocked`.

The log begins with one record that is no event for each of 100 orders. A group that reads it from there has a dead
letter for each of them, and parks all that comes behind; a group that begins after them has no failure. Both do the
rest of the same log, in turns.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from app.domain.events import Event
from app.serde.topics import ORDERS_EVENTS
from bench import reporting
from bench.events import OrderLog, order_events, produce
from bench.rows import Programs, Row
from bench.running import PARTITIONS, Run, broker, run

BLOCKED = 100
REQUEST_S = 30.0
ROW = Row(name="orderflow", title="orderflow", program="orderflow", interval_ms=100)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The fewer the orders, the larger the share of the events that is parked."""

    orders: int
    events: int = 300_000


CASES = (Case(orders=50_000), Case(orders=2_000))


class Log:
    """The events of a case behind those records. `others`: events of orders that are not blocked."""

    def __init__(self, bootstrap: str, case: Case) -> None:
        self._bootstrap, self._case, self.others = bootstrap, case, 0
        self._blocked = frozenset(_orders_of(case))
        self._begin = self._write_what_is_no_event()
        produce(bootstrap, self._counted())

    def begin_behind_failures(self, group: str) -> None:
        """A group that is yet to start."""
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": group})
        consumer.commit(offsets=self._begin, asynchronous=False)
        consumer.close()

    def _write_what_is_no_event(self) -> list[TopicPartition]:
        """Where each partition goes on after that."""
        producer = Producer({"bootstrap.servers": self._bootstrap, "partitioner": "murmur2_random"})
        for order_id in self._blocked:
            producer.produce(ORDERS_EVENTS, b"no event", order_id.encode())
        producer.flush(REQUEST_S)
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "bench"})
        places = [TopicPartition(ORDERS_EVENTS, partition) for partition in range(PARTITIONS)]
        ends = [consumer.get_watermark_offsets(place, REQUEST_S)[1] for place in places]
        consumer.close()
        return [TopicPartition(ORDERS_EVENTS, partition, end) for partition, end in enumerate(ends)]

    def _counted(self) -> Iterator[Event]:
        for event in order_events(self._case.events, self._case.orders):
            self.others += event.order_id not in self._blocked
            yield event


def _orders_of(case: Case) -> list[str]:
    """Those of which the log tells first."""
    return list(dict.fromkeys(event.order_id for event in OrderLog(case.orders).interleaved(case.orders)))[:BLOCKED]


def measured(case: Case, rounds: int) -> dict[str, Any]:
    """Pairs of runs, either kind first in turn."""
    program = Programs({ROW.program})[ROW.program]
    runs: dict[str, list[Run]] = {"free": [], "blocked": []}
    with broker() as bootstrap:
        log = Log(bootstrap, case)
        for number in range(1, rounds + 1):
            for name in sorted(runs, reverse=bool(number % 2)):
                group = f"orderflow-bench-{name}-{number}"
                if name == "free":
                    log.begin_behind_failures(group)
                runs[name].append(run(ROW, program, bootstrap, group, case.events, number=number))
    pairs = list(zip(runs["blocked"], runs["free"], strict=True))
    return {
        "keys": case.orders,
        "of them blocked": BLOCKED,
        "events parked": f"{1 - log.others / case.events:.1%}",
        "others' events/s, none blocked": round(statistics.median([log.others / one.seconds for one in runs["free"]])),
        "others' events/s": round(statistics.median([log.others / one.seconds for one in runs["blocked"]])),
        "share": round(statistics.median([free.seconds / blocked.seconds for blocked, free in pairs]), 2),
        "CPU": round(statistics.median([blocked.cpu_s / free.cpu_s for blocked, free in pairs]), 2),
        "wanted": ">= 0.9",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    asked, on = parser.parse_args(), reporting.machine()
    figures = [measured(case, asked.rounds) for case in CASES]
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "blocked", on, figures))


if __name__ == "__main__":
    main()
