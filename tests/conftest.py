"""What tests ask for: databases of a real PostgreSQL, names of their own; topics and a broker by the plugins here."""

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from app.allocation import collect_less
from app.embedded.postgres import APPLICATION, PostgresServer

# the checks that tests share show what they found, as those in tests do
pytest.register_assert_rewrite("tests")
pytest_plugins = ("tests.scheduling", "tests.servers", "tests.topics")

# hundreds of processes load the same modules: each is compiled once, also where the environment keeps Python from it
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# how long an example takes says more of what else runs than of the code
settings.register_profile("orderflow", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("orderflow")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported is not looked at for garbage, as in `orderflow`; from there on it is as in a worker."""
    gc.disable()
    try:
        return (yield)
    finally:
        collect_less()
        gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names for topics, groups and the like that no other test has."""
    return lambda name: f"{name}-{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgres_server(session_directory: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(session_directory / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> str:
    """The DSN of an administrator."""
    return postgres_server.admin_dsn


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """A database at the newest schema, to be copied: faster than migrating each."""
    from app.migrations import upgrade  # so that tests without a database need none of it

    name = "migrated"
    _administer(postgres_server, "create database {} owner {}", name, APPLICATION)
    upgrade(_dsn_of(postgres_server, name))
    return name


@pytest.fixture
def database(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The application's DSN of a fresh, migrated database."""
    with _copied(postgres_server, migrated_template) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The same, for all tests of a module: it is cheaper, where each looks at orders of its own."""
    with _copied(postgres_server, migrated_template) as dsn:
        yield dsn


@contextmanager
def _copied(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    _administer(server, "create database {} template {} owner {}", name, template, APPLICATION)
    yield _dsn_of(server, name)
    _administer(server, "drop database {} with (force)", name)


def _dsn_of(server: PostgresServer, name: str) -> str:
    return f"{server.dsn.rpartition('/')[0]}/{name}"


def _administer(server: PostgresServer, statement: str, *names: str) -> None:
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
