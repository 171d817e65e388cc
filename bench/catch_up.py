"""How fast a worker catches up with a log: `python -m bench.catch_up [--events N] [--orders N] [--interval-ms MS]`.

Starts a broker of its own, writes the log, then runs one worker after another over it: `order_summaries` wired alone,
and the whole of `order-views`. Rates are from the first committed progress to the committed end.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.config import Settings, dump
from app.embedded import processes
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.names import group_id
from bench import summaries
from bench.events import order_events, produce
from topologies import catalogue, order_views

LIMIT_S = 300.0


class Figure(msgspec.Struct, frozen=True):
    """One run; CPU is of the worker's process, in seconds per million events."""

    name: str
    events: int
    events_per_second: int
    cpu_s_per_million: float
    peak_rss_mib: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--interval-ms", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        kafka = KafkaServer(Path(directory) / "kafka")
        kafka.start()
        try:
            settings = Settings(kafka=kafka.bootstrap, commit_interval_ms=asked.interval_ms)
            declared = [summaries.build(settings), catalogue.build(order_views.NAME, settings)]
            specs = {spec.name: spec for topology in declared for spec in topology.topics()}
            topics.apply(settings.kafka, list(specs.values()), settings.partitions, 1)
            count = produce(settings.kafka, order_events(asked.events, asked.orders))
            for topology in declared:
                figure = run(topology.name, settings, count, Path(directory))
                sys.stdout.write(msgspec.json.encode(figure).decode() + "\n")
                sys.stdout.flush()
        finally:
            kafka.stop()


def run(name: str, settings: Settings, count: int, directory: Path) -> Figure:
    (port,) = free_ports(0)
    data = directory / name
    data.mkdir()
    own = msgspec.structs.replace(settings, port=port, data=data, name=name)
    worker = processes.start(
        [sys.executable, "-m", "bench.worker", name],
        directory=Path.cwd(),
        log=data / "log",
        environment={**os.environ, **dump(own)},
    )
    try:
        seconds = _catch_up(group_id(name), own, count)
        cpu_s, rss_mib = _usage(worker.pid)
    finally:
        processes.end(worker, signal.SIGTERM, 15.0)
    return Figure(name, count, round(count / seconds), round(cpu_s / count * 1e6, 2), rss_mib)


def _catch_up(group: str, settings: Settings, count: int) -> float:
    """Seconds from the first committed progress to the committed end."""
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": group})
    wanted = [TopicPartition(ORDERS_EVENTS, partition) for partition in range(settings.partitions)]
    began, first, deadline = 0.0, 0, time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            done = sum(max(0, tp.offset) for tp in consumer.committed(wanted, 15.0))
        except KafkaException:  # the group has no coordinator yet
            continue
        now = time.monotonic()
        if done and not began:
            began, first = now, done
        if done >= count:
            consumer.close()
            return (now - began) * count / (count - first)
        time.sleep(0.02)
    raise TimeoutError(f"{group} did not catch up within {LIMIT_S} s")


def _usage(pid: int) -> tuple[float, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return ticks / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) // 1024


if __name__ == "__main__":
    main()
