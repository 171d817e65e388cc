"""One system for the tests of this folder: broker, database, a relay that runs, and Debezium, set up and idle."""

from collections.abc import Generator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from app.cdc import database as capturing
from app.cdc.capture import Capture
from app.config import Settings
from app.embedded.connect import ConnectServer
from app.embedded.postgres import APPLICATION, PostgresServer
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from app.serde.topics import ORDERS_EVENTS
from tests.chaos.relays import create_topic
from tests.integration.relaying import running

HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Item | None) -> Generator[None]:
    """Connect ends after the last test of this folder: it polls all the time."""
    yield
    if nextitem is None or nextitem.path.parent != HERE:
        server = item.funcargs.get("connect")
        if isinstance(server, ConnectServer):
            server.stop()


@pytest.fixture(scope="session")
def connect(kafka: str, session_directory: Path) -> Iterator[ConnectServer]:
    server = ConnectServer(session_directory / "connect", kafka)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def system(
    kafka: str, connect: ConnectServer, postgres_server: PostgresServer, migrated_template: str
) -> Iterator[Settings]:
    name = f"cdc_{uuid4().hex}"
    dsn = f"{postgres_server.dsn.rpartition('/')[0]}/{name}"
    _administer(postgres_server, "create database {} template {} owner {}", name, migrated_template, APPLICATION)
    create_topic(kafka)
    settings = Settings(kafka=kafka, postgres=dsn, connect=connect.url)
    with capturing.connected(dsn) as connection:
        capture = Capture(settings, connection)
        capture.set_up()
        with running(Relay(dsn, lambda shard: Publisher(kafka, f"relay-{name}", ORDERS_EVENTS, shard))):
            yield settings
        capturing.drop_slot(connection, capture.name)
    _administer(postgres_server, "drop database {} with (force)", name)


def _administer(server: PostgresServer, statement: str, *names: str) -> None:
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
