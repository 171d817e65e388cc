"""Quix Streams: state on RocksDB with a changelog."""

import os

from quixstreams import Application
from quixstreams.models.serializers.base import Deserializer

from bench.peers.meter import Meter
from bench.peers.work import arguments, decode, fold

asked = arguments()
meter = Meter(asked.events)


class Values(Deserializer):
    def __call__(self, value, ctx):
        return decode(value)


app = Application(
    broker_address=asked.bootstrap,
    consumer_group=asked.group,
    auto_offset_reset="earliest",
    state_dir=asked.directory,
    use_changelog_topics=True,
    commit_interval=asked.interval_ms / 1000,
    processing_guarantee="exactly-once" if asked.exactly_once else "at-least-once",
    loglevel="WARNING",
    consumer_extra_config={"queued.min.messages": 100_000, "fetch.queue.backoff.ms": 20},
)


def summarise(event, state):
    meter.begin()
    row = fold(state.get("row"), event)
    if row is not None:
        state.set("row", row)
    meter.add()


commit = app._processing_context.commit_checkpoint


def commit_and_end(*args, **kwargs):
    result = commit(*args, **kwargs)
    if meter.count >= asked.events:
        meter.report()
        os._exit(0)
    return result


object.__setattr__(app._processing_context, "commit_checkpoint", commit_and_end)
app.dataframe(app.topic(asked.topic, value_deserializer=Values(), key_deserializer="str")).update(
    summarise, stateful=True
)
app.run()
