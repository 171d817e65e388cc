"""Publishes the outbox: one thread per shard, each an owner or waiting to become one. Any number of relays may run."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import psycopg

from app.eventstore.outbox import SHARDS
from app.eventstore.publisher import Publisher
from app.eventstore.session import conninfo
from app.eventstore.shard import RETRY_MOST_S, ShardRelay
from app.observability.log import logger

log = logger(__name__)


class Relay:
    """`publisher` makes the publisher of a shard. Waits for servers that fail; ends by `stop` or by a `SetupError`."""

    def __init__(self, dsn: str, publisher: Callable[[int], Publisher]) -> None:
        self._dsn, self._publisher = dsn, publisher
        self._stop = threading.Event()
        self._shards: list[ShardRelay] = []
        self._trouble = "not started yet"

    def troubles(self) -> list[str]:
        """What keeps shards from being published, as far as this relay is concerned."""
        if not self._shards:
            return [self._trouble]
        return [shard.trouble for shard in self._shards if shard.trouble]

    def stop(self) -> None:
        """Makes `run` return within a few seconds, with no transaction open."""
        self._stop.set()

    def run(self) -> None:
        count = self._count_shards()
        self._shards = [self._shard(number, count) for number in range(count)]
        with ThreadPoolExecutor(max(count, 1), "relay") as threads:
            running = [threads.submit(shard.run, self._stop) for shard in self._shards]
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            self.stop()
        for ended in done:
            ended.result()

    def _shard(self, number: int, count: int) -> ShardRelay:
        return ShardRelay(self._dsn, lambda: self._publisher(number), number, count)

    def _count_shards(self) -> int:
        while not self._stop.is_set():
            try:
                with psycopg.connect(conninfo(self._dsn, "orderflow-relay", statement_timeout="5s")) as connection:
                    (count,) = connection.execute(SHARDS).fetchone() or (0,)
                    return int(count)
            except psycopg.Error as error:
                self._trouble = str(error)
                log.warning("relay.waits_for_postgres", error=self._trouble)
                self._stop.wait(RETRY_MOST_S)
        return 0
