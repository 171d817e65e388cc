"""A broker and a worker of Kafka Connect for the tests of this folder, which share one process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.connect import ConnectServer


@pytest.fixture(scope="session")
def connect(kafka: str, session_directory: Path) -> Iterator[ConnectServer]:
    server = ConnectServer(session_directory / "connect", kafka)
    server.start()
    yield server
    server.stop()
