"""`orderflow migrate`: safe to repeat, safe to race, and clear when it cannot work."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from app.embedded.ports import free_ports
from app.embedded.postgres import APPLICATION, PostgresServer
from app.errors import SetupError
from app.migrations import upgrade

TABLES = {"events", "outbox", "idempotency", "relay_position"}


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        here = sql.Identifier(name)
        connection.execute(sql.SQL("create database {} owner {}").format(here, sql.Identifier(APPLICATION)))
        yield f"{postgres_server.dsn.rpartition('/')[0]}/{name}"
        connection.execute(sql.SQL("drop database {} with (force)").format(here))


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


def test_an_upgrade_may_be_repeated(empty_database: str) -> None:
    upgrade(empty_database)
    before = tables(empty_database)
    upgrade(empty_database)
    assert before >= TABLES
    assert tables(empty_database) == before


def test_racing_upgrades_make_one_schema(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as racers:
        list(racers.map(upgrade, [empty_database] * 4))
    assert tables(empty_database) >= TABLES


def test_no_transaction_of_a_migrated_database_may_stay_open(
    empty_database: str, postgres_server: PostgresServer
) -> None:
    upgrade(empty_database)
    administrator = f"{postgres_server.admin_dsn.rpartition('/')[0]}/{empty_database.rpartition('/')[2]}"
    with psycopg.connect(administrator) as connection:
        for limit in (b"show transaction_timeout", b"show idle_in_transaction_session_timeout"):
            assert connection.execute(limit).fetchone() != ("0",)


def test_a_database_that_does_not_answer_is_named() -> None:
    (port,) = free_ports(0)
    with pytest.raises(SetupError, match="ORDERFLOW_POSTGRES"):
        upgrade(f"postgresql://orderflow@127.0.0.1:{port}/orderflow")
