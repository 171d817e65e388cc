"""How late retries come with many of them waiting. `python -m tests.chaos.lateness` runs the long form.

A moment after its failure a record stands in its retry topic, with that moment as its timestamp: an attempt is due at
that and its delay. When it was made is noted by the handler itself.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.embedded.kafka import KafkaServer
from app.streaming.failures import read_delivery
from app.streaming.kafka.messages import to_record
from app.streaming.names import retry_topic
from tests.engine.cluster import Cluster
from tests.engine.log import Log
from tests.engine.topologies import TICKS, Faults, Tick
from tests.waiting import until

KEYS = 1_000
DELAYS_MS = (2_000, 4_000, 8_000, 16_000, 32_000)
LATE_MS = 1_000
SESSION_S = 6.0


class Lateness(msgspec.Struct, frozen=True):
    """Of all attempts after the first ones. `joined`: how often tasks were given to the worker, at its start too."""

    attempts: int
    early: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    joined: int
    lost: int

    @property
    def is_as_promised(self) -> bool:
        return not self.early and not self.lost and self.p99_ms < LATE_MS


def measure(log: Log, directory: Path, name: str, delays_ms: Sequence[int], keys: int = KEYS) -> Lateness:
    """All keys fail at every delay but the last attempt, all at once, on one worker."""
    sent = [Tick(key=f"key-{number}", number=1, fails=len(delays_ms)) for number in range(keys)]
    with Cluster(log, directory, "counting", name, delays_ms=tuple(delays_ms), session_timeout_s=SESSION_S) as cluster:
        worker = cluster.start("a")
        cluster.ready(worker)
        log.send(cluster.source, sent)
        faults = Faults(directory / "shared")
        last = sent[-1]
        until(lambda: len(faults.times(last.key, 1)) > len(delays_ms), "the last record is handled")
        cluster.quiet()
        found = sorted(_late_ms(log, cluster.topology.group, faults, delays_ms))
        return Lateness(
            attempts=len(found),
            early=sum([late < 0 for late in found]),
            p50_ms=round(found[len(found) // 2], 1),
            p99_ms=round(found[len(found) * 99 // 100], 1),
            most_ms=round(found[-1], 1),
            joined=len(worker.told("task.ready")),
            lost=len(worker.told("membership.lost")),
        )


def _late_ms(log: Log, group: str, faults: Faults, delays_ms: Sequence[int]) -> list[float]:
    """How long after it was due each attempt was made."""
    found = []
    for delay_ms in delays_ms:
        for message in log.records(retry_topic(group, delay_ms)):
            delivery = read_delivery(to_record(message))
            tick = TICKS.decode(delivery.record.value)
            made = faults.times(tick.key, tick.number)[delivery.attempt.number - 1]
            found.append(made * 1000 - message.timestamp()[1] - delay_ms)
    return found


def main() -> None:
    """Print what it is with the delays that the product has; ends with 1 when it is not as promised."""
    with tempfile.TemporaryDirectory() as directory:
        server = KafkaServer(Path(directory) / "kafka")
        server.start()
        try:
            found = measure(Log(server.bootstrap), Path(directory), "lateness", DELAYS_MS)
        finally:
            server.stop()
    print(msgspec.json.encode(found).decode())  # noqa: T201
    if not found.is_as_promised:
        sys.exit(1)


if __name__ == "__main__":
    main()
