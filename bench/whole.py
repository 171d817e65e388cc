"""The whole system of `orderflow demo`, for a measurement."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from app.cli.demoing.system import System
from app.config import load
from app.embedded.kafka import KafkaServer
from bench.running import LARGE


@contextlib.asynccontextmanager
async def whole_system() -> AsyncIterator[System]:
    """One worker for each topology, on servers of its own; it is stopped, and what it stored is gone, afterwards."""
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-", ignore_cleanup_errors=True) as directory:
        system = System(Path(directory), load(), 1, lambda text: None)
        system.stack.kafka = KafkaServer(system.stack.kafka.directory, java=LARGE)
        try:
            await system.start(keep=False)
            yield system
        finally:
            await system.stop()
