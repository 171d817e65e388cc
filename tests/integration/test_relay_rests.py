"""A relay that has nothing to do hardly asks, as PostgreSQL's own log of statements shows."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from app.embedded.postgres import PostgresServer
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from tests.integration.relaying import running
from tests.topics import MakeTopics
from tests.waiting import until

ASKED = 5
SHARDS = 2
RELAYS = "select pid from pg_stat_activity where datname = %s and application_name like 'orderflow-relay-%%'"
STATEMENT = re.compile(r"\[(\d+)\] LOG:  (?:execute|statement)")


class Statements:
    """Those of the relay of a database, counted."""

    def __init__(self, postgres: psycopg.Connection, database: str, log: Path) -> None:
        self._postgres, self._database, self._log = postgres, database, log
        self._count, self._since = 0, time.monotonic()

    def count(self) -> int:
        pids = {str(pid) for (pid,) in self._postgres.execute(RELAYS, (self._database,))}
        count = sum(found[1] in pids for found in STATEMENT.finditer(self._log.read_text(errors="replace")))
        if count != self._count:
            self._count, self._since = count, time.monotonic()
        return count

    def rest(self) -> bool:
        """Whether nothing was asked for a second."""
        return self.count() >= SHARDS and time.monotonic() > self._since + 1.0


def test_an_idle_relay_asks_no_more_than_once_a_second(
    kafka: str,
    database: str,
    postgres_server: PostgresServer,
    make_topics: MakeTopics,
    unique: Callable[[str], str],
) -> None:
    name, topic = database.rpartition("/")[2], unique("orders.events")
    make_topics(topic)
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as postgres:
        postgres.execute(sql.SQL("alter database {} set log_statement = 'all'").format(sql.Identifier(name)))
        relay = Relay(database, lambda shard: Publisher(kafka, topic, topic, shard))
        statements = Statements(postgres, name, postgres_server.log)
        with running(relay):
            until(lambda: relay.troubles() == [] and statements.rest())
            before, begin = statements.count(), time.monotonic()
            until(lambda: statements.count() >= before + ASKED)
            seconds = time.monotonic() - begin
            # each shard may be just about to ask when it begins
            assert seconds > ASKED - SHARDS, statements.count() - before
