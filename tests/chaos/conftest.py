"""Servers that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.postgres import PostgresServer
from app.migrations import upgrade


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres")
    try:
        server.start()
        upgrade(server.dsn)
        yield server
    finally:
        server.stop()
