"""Stock Faust: an agent and a table on RocksDB, raw bytes in, its own changelog.

Its best settings: uvloop is no faster, sensors are taken away, buffers and polls are large.
"""

import asyncio
import os
import sys

import faust

from bench.peers.meter import Meter
from bench.peers.work import arguments, decode, fold

asked = arguments()
PARTITIONS = 4
meter = Meter(asked.events)
app = faust.App(
    asked.group,
    broker=f"kafka://{asked.bootstrap}",
    store="rocksdb://?driver=rocksdict",
    datadir=asked.directory,
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    table_standby_replicas=0,
    broker_commit_interval=asked.interval_ms / 1000,
    broker_commit_every=100_000,
    broker_max_poll_records=5_000,
    stream_buffer_maxsize=65_536,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
events = app.topic(asked.topic, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
rows = app.Table(asked.changelog.removeprefix(f"{asked.group}-").removesuffix("-changelog"), partitions=PARTITIONS)
finished = asyncio.Event()


@app.agent(events)
async def summarise(stream):
    async for key, value in stream.items():
        meter.begin()
        order_id = key.decode()
        row = fold(rows.get(order_id), decode(value))
        if row is not None:
            rows[order_id] = row
        meter.add()
        if meter.count == asked.events:
            finished.set()


@app.task
async def report():
    for sensor in list(app.sensors._sensors):
        app.sensors.remove(sensor)
    await finished.wait()
    await asyncio.sleep(0)
    await app.commit({asked.topic})
    meter.report()
    os._exit(0)


sys.argv = ["faust", "worker", "-l", "error"]
app.main()
