"""One shard of the outbox: waits to own it, then publishes it as long as nothing fails. There is one way in.

The owner holds an advisory lock on the connection it reads with. A killed owner frees it at once; a stalled one loses
the connection, and with it the right to read, when it has been idle for too long. What such a one had read before is
refused by Kafka, where the next owner has fenced it.
"""

import threading
from collections.abc import Callable
from typing import Final

import psycopg
from confluent_kafka import KafkaException

from app.errors import SetupError
from app.eventstore.blocked import BlockedAggregates
from app.eventstore.call_thread import PublisherHangsError
from app.eventstore.outbox import INDEX_WALK, OutboxShard, Position
from app.eventstore.publisher import Publisher
from app.eventstore.session import conninfo
from app.eventstore.tail import Tail
from app.eventstore.watermark import Watch
from app.observability.log import logger

# how long to wait for a notification before looking anyway: two shards then ask once a second
IDLE_S: Final = 2.0
# rows held back by a transaction in progress: its end is not notified, so look again soon, then less often
HELD_FIRST_S, HELD_MOST_S = 0.002, 0.5
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 2.0

SESSION = {
    **INDEX_WALK,
    # a wait for the lock is one query, and ends when somebody dies
    "lock_timeout": "2s",
    "idle_session_timeout": "10s",
    "statement_timeout": "20s",
    # a lost copy of a position costs nothing
    "synchronous_commit": "off",
}
_LOCKS = 720_002
LOCK = f"select pg_advisory_lock({_LOCKS}, %s)"


class ShardRelay:
    """Publishes one shard until `stop` is set. `trouble` is what keeps it from doing so, as far as it knows."""

    def __init__(self, dsn: str, publisher: Callable[[], Publisher], shard: int, shards: int) -> None:
        self.trouble = "not started yet"
        self._conninfo = conninfo(dsn, f"orderflow-relay-{shard}", **SESSION)
        self._publisher, self._shard, self._shards = publisher, shard, shards
        self._pause_s = RETRY_FIRST_S
        self._log = logger(__name__).bind(shard=shard)

    def run(self, stop: threading.Event) -> None:
        """Returns after `stop`; raises `SetupError` when going on would be wrong. Failing servers are waited for."""
        while not stop.is_set():
            try:
                self._own(stop)
            except (psycopg.Error, KafkaException, PublisherHangsError) as error:
                self.trouble = str(error)
                self._log.warning("relay.interrupted", error=self.trouble)
                stop.wait(self._pause_s)
                self._pause_s = min(self._pause_s * 2, RETRY_MOST_S)

    def _own(self, stop: threading.Event) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            if not self._acquired(connection, stop):
                return
            connection.execute("listen outbox")
            publisher = self._publisher()
            try:
                self._publish(connection, publisher, stop)
            finally:
                publisher.close()

    def _acquired(self, connection: psycopg.Connection, stop: threading.Event) -> bool:
        while not stop.is_set():
            try:
                connection.execute(LOCK, (self._shard,))
            except psycopg.errors.LockNotAvailable:
                self.trouble = ""
            else:
                return True
        return False

    def _publish(self, connection: psycopg.Connection, publisher: Publisher, stop: threading.Event) -> None:
        outbox = OutboxShard(connection, self._shard, self._shards)
        position = publisher.begin_ownership() or outbox.copied()
        if not outbox.knows(position):
            raise SetupError(
                f"shard {self._shard} is published up to transaction {position.xid}{_named(position)}, and PostgreSQL "
                "has no such: it was restored or replaced. Restore its newer state, or begin with an empty Kafka too"
            )
        # the last owner may have been killed before it could
        outbox.copy(position)
        self.trouble = ""
        self._log.info("relay.owned", xid=position.xid, seq=position.seq, published=position.published)
        blocked = BlockedAggregates(connection, self._shard)
        blocked.begin(position.released)
        tail, held_s = Tail(outbox, blocked, publisher, position, self._shard), HELD_FIRST_S
        watch = Watch(connection, self._shard)
        while not stop.is_set():
            read = tail.turn()
            self.trouble = watch.trouble(held=read.held and not read.rows)
            if read.rows:
                self._pause_s, held_s = RETRY_FIRST_S, HELD_FIRST_S
            else:
                wait_for_append(connection, held_s if read.held else IDLE_S / 2 if blocked else IDLE_S)
                held_s = min(held_s * 2, HELD_MOST_S)


def _named(position: Position) -> str:
    return f" (event {position.event_id})" if position.event_id else ""


def wait_for_append(connection: psycopg.Connection, seconds: float) -> None:
    """Until appends are notified, those since the last wait included, or the time is over."""
    heard = False
    # What came right behind an answer was read from the socket with it, and `notifies` would wait for the socket.
    while connection.pgconn.notifies():
        heard = True
    if not heard:
        for _ in connection.notifies(timeout=seconds, stop_after=1):
            pass
