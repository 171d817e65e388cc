"""Pathway: a stateful reducer by order, its input persisted at every interval. It has no changelog.

Its best settings: one worker, decoding inside the reducer, a high threshold of the garbage collector.
"""

import gc
import logging
import os
import threading
import time

import pathway as pw

from bench.peers.meter import Meter
from bench.peers.work import arguments, decode, fold

ROWS_IN_FLIGHT = 200_000

asked = arguments()
meter = Meter(asked.events)


class Started(logging.Handler):
    """Its first commit is filled before anything is folded: that is part of the work."""

    def emit(self, record):
        if record.getMessage().startswith("Realtime data starts"):
            meter.begin()


@pw.reducers.stateful_many
def summarise(row: tuple | None, records) -> tuple:
    events = [decode(record[0]) for record, _ in records]
    events.sort(key=lambda event: event["version"])  # within a commit they come in no order
    state = None if row is None else list(row)
    for event in events:
        state = fold(state, event) or state
    meter.add(len(events))
    return tuple(state)


def watch():
    """Ends the run when all is folded and a snapshot is younger than the last event."""
    while meter.count < asked.events:
        time.sleep(0.005)
    done = time.time()
    while newest() < done:
        time.sleep(0.01)
    meter.report()
    os._exit(0)


def newest():
    """When the metadata, not a chunk of input, was last written."""
    return max((entry.stat().st_mtime for entry in asked.directory.iterdir() if entry.is_file()), default=0.0)


logging.basicConfig(level=logging.INFO)
logging.getLogger().addHandler(Started())
settings = {
    "bootstrap.servers": asked.bootstrap,
    "group.id": asked.group,
    "auto.offset.reset": "earliest",
    "session.timeout.ms": "60000",
    "queued.min.messages": "100000",
    "fetch.queue.backoff.ms": "20",
}
messages = pw.io.kafka.read(
    settings,
    topic=asked.topic,
    format="raw",
    autocommit_duration_ms=asked.interval_ms,
    name="orders",
    max_backlog_size=ROWS_IN_FLIGHT,
)
pw.io.null.write(messages.groupby(pw.this.key).reduce(pw.this.key, row=summarise(pw.this.data)))
threading.Thread(target=watch, daemon=True).start()
gc.freeze()
gc.set_threshold(100_000, 10, 10)
pw.run(
    monitoring_level=pw.MonitoringLevel.NONE,
    persistence_config=pw.persistence.Config(
        pw.persistence.Backend.filesystem(asked.directory),
        snapshot_interval_ms=asked.interval_ms,
        persistence_mode=pw.PersistenceMode.PERSISTING,
    ),
)
