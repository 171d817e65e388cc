"""A PostgreSQL and a broker for a measurement, and databases in it."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.embedded.connect import ConnectServer
from app.embedded.postgres import APPLICATION, PostgresServer
from app.errors import SetupError
from app.migrations import upgrade
from bench.environments import PEERS, python_of
from bench.running import LARGE, LIMIT_S, broker

PEER = "pyeventsourcing"
# of Connect: more than the embedded one's too, so that it is not memory that holds it up
LARGE_CONNECT = ("-Xms256m", "-Xmx2g", "-XX:+UseSerialGC")


class Servers:
    """Both; each measurement gets a database of its own."""

    def __init__(self, postgres: PostgresServer, kafka: str) -> None:
        self._postgres, self.kafka = postgres, kafka
        self._made = 0

    def migrated(self) -> str:
        """A new database at the product's schema."""
        dsn = self.empty()
        upgrade(dsn)
        return dsn

    def empty(self) -> str:
        self._made += 1
        name = f"bench_{self._made}"
        with psycopg.connect(self._postgres.admin_dsn, autocommit=True) as connection:
            made = sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(APPLICATION))
            connection.execute(made)
        return f"{self._postgres.dsn.rpartition('/')[0]}/{name}"


@contextmanager
def servers() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-write-") as directory, broker(LARGE) as kafka:
        postgres = PostgresServer(Path(directory) / "postgres")
        postgres.start()
        try:
            yield Servers(postgres, kafka)
        finally:
            postgres.stop()


@contextmanager
def connect(kafka: str) -> Iterator[str]:
    """A worker of Kafka Connect with Debezium; a `SetupError` where its jars cannot be had."""
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-connect-") as directory:
        worker = ConnectServer(Path(directory) / "connect", kafka, java=LARGE_CONNECT)
        worker.start()
        try:
            yield worker.url
        finally:
            worker.stop()


def peer(dsn: str, *words: object, connections: int = 1) -> dict[str, Any]:
    """What pyeventsourcing measured of itself."""
    where = conninfo_to_dict(dsn)
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(where["dbname"]),
        "POSTGRES_HOST": str(where["host"]),
        "POSTGRES_PORT": str(where["port"]),
        "POSTGRES_USER": str(where["user"]),
        "POSTGRES_PASSWORD": str(where["password"]),
        "POSTGRES_POOL_SIZE": str(connections),
        "POSTGRES_MAX_OVERFLOW": str(connections),
    }
    done = subprocess.run(
        [python_of(PEER), PEERS / f"{PEER}.py", *map(str, words)],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    if done.returncode:
        raise SetupError(f"{PEER} failed: {done.stderr.strip().splitlines()[-1:]}")
    measured: dict[str, Any] = msgspec.json.decode(done.stdout)
    return measured
