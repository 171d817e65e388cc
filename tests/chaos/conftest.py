"""Servers that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.kafka import KafkaServer
from app.embedded.postgres import PostgresServer
from app.migrations import upgrade
from tests.chaos.relays import create_topic


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker with the topic of orders, whose group of the relay is new."""
    server = KafkaServer(tmp_path / "kafka")
    try:
        server.start()
        create_topic(server.bootstrap)
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres")
    try:
        server.start()
        upgrade(server.dsn)
        yield server
    finally:
        server.stop()
