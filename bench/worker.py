"""A worker process of a measured topology: the product's own, configured by `ORDERFLOW_*`."""

import asyncio
import sys

from app.config import load
from app.observability.log import setup
from app.streaming.faust.app import Membership
from app.streaming.faust.process import serve
from bench import summaries
from topologies import catalogue


def main() -> None:
    settings, name = load(), sys.argv[1]
    setup("warning")
    topology = summaries.build(settings) if name == summaries.NAME else catalogue.build(name, settings)
    membership = Membership(
        bootstrap=settings.kafka,
        name=name,
        url=f"http://{settings.host}:{settings.port}",
        host=settings.host,
        port=settings.port,
        partitions=settings.partitions,
        session_timeout_s=settings.session_timeout,
        directory=settings.data,
    )
    interval_s = settings.commit_interval_ms / 1000
    asyncio.run(serve(topology, membership, lambda *_: None, interval_s=interval_s, start="earliest"))


main()
