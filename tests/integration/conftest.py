"""Workers of test topologies; a small system on servers of its own, for the modules that judge all that is in the
topics of the product."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.embedded.kafka import KafkaServer
from app.migrations import upgrade
from tests.engine.cluster import Cluster, MakeCluster
from tests.engine.log import Log
from tests.integration.verify_system import SmallSystem, small_system


@pytest.fixture
def make_cluster(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[MakeCluster]:
    with ExitStack() as made:

        def make(kind: str, **options: Any) -> Cluster:
            return made.enter_context(Cluster(Log(kafka), tmp_path, kind, unique("engine"), **options))

        yield make


@pytest.fixture(scope="module")
def own_name(request: pytest.FixtureRequest) -> str:
    return request.path.stem


@pytest.fixture(scope="module")
def own_kafka(session_directory: Path, own_name: str) -> Iterator[str]:
    server = KafkaServer(session_directory / f"kafka-of-{own_name}")
    server.start()
    yield server.bootstrap
    server.stop()


@pytest.fixture(scope="module")
def own_database(postgres: str, own_name: str) -> str:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {own_name}".encode())
    dsn = f"{postgres.rpartition('/')[0]}/{own_name}"
    upgrade(dsn)
    return dsn


@pytest.fixture(scope="module")
async def system(
    own_kafka: str, own_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SmallSystem]:
    async with small_system(own_kafka, own_database, tmp_path_factory.mktemp("ledgers")) as system:
        yield system
