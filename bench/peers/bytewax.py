"""Bytewax: keyed state, snapshots in its recovery store at every interval. It has no changelog.

Its best settings: `stateful_batch`, polls of 250 records, a high threshold of the garbage collector, two processes.
"""

import gc
import shutil
import time
from datetime import timedelta

import bytewax.operators as op
from bytewax._bytewax import cluster_main
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir

from bench.peers.meter import Meter
from bench.peers.work import arguments, decode, fold

asked = arguments()
meter = Meter(asked.events // max(1, len(asked.addresses)))


class Summary(StatefulBatchLogic):
    __slots__ = ("row",)

    def __init__(self, row):
        self.row = row

    def on_batch(self, events):
        row = self.row
        for event in events:
            row = fold(row, event) or row
        self.row = row
        return (), False

    def snapshot(self):
        return self.row


class Nothing(DynamicSink):
    def build(self, step_id, worker_index, worker_count):
        return NothingOfAWorker()


class NothingOfAWorker(StatelessSinkPartition):
    def write_batch(self, items):
        pass


def decode_batch(messages):
    meter.begin()
    events = [(message.key.decode(), decode(message.value)) for message in messages]
    meter.add(len(messages))
    return events


def flow():
    flow = Dataflow("orders")
    settings = {"queued.min.messages": "100000", "fetch.queue.backoff.ms": "20"}
    source = KafkaSource([asked.bootstrap], [asked.topic], tail=False, batch_size=250, add_config=settings)
    events = op.flat_map_batch("decode", op.input("in", flow, source), decode_batch)
    op.output("out", op.stateful_batch("fold", events, Summary), Nothing())
    return flow


store = asked.directory.parent / f"{asked.group}-recovery"  # the processes share it
if asked.process == 0:
    shutil.rmtree(store, ignore_errors=True)
    building = store.with_suffix(".new")
    building.mkdir()
    init_db_dir(building, 4)
    building.rename(store)
while not store.exists():
    time.sleep(0.01)
gc.freeze()
gc.set_threshold(100_000, 10, 10)
cluster_main(
    flow(),
    asked.addresses,
    asked.process,
    epoch_interval=timedelta(milliseconds=asked.interval_ms),
    recovery_config=RecoveryConfig(store, timedelta(0)),
    worker_count_per_proc=1,
)
meter.report()
