"""The broker of a run of tests: one for all its processes, started when the first test asks for it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCServer

import pytest
from xdist.workermanage import WorkerController

from app.embedded.files import FileLock, cache_directory
from app.embedded.kafka import KafkaServer
from app.embedded.ports import LOOPBACK
from tests.waiting import PATIENCE_S

SERVERS = pytest.StashKey["Servers"]()


class Servers:
    """The servers of a run, kept by the process that starts the others."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._kafka: KafkaServer | None = None
        self._answering: SimpleXMLRPCServer | None = None

    def kafka(self) -> str:
        """Where the broker is."""
        if self._kafka is None:
            self._kafka = KafkaServer(self._open.enter_context(new_directory()) / "kafka")
        if not self._kafka.alive():
            self._kafka.start()
        return self._kafka.bootstrap

    def url(self) -> str:
        """Where other processes ask for them."""
        if self._answering is None:
            self._answering = SimpleXMLRPCServer((LOOPBACK, 0), logRequests=False)
            self._answering.register_function(self.kafka)
            Thread(target=self._answering.serve_forever, daemon=True).start()
        return f"http://{LOOPBACK}:{self._answering.server_address[1]}"

    def stop(self) -> None:
        """Also in the middle of a start, which fails then."""
        self._stop_kafka()
        if self._answering is not None:
            self._answering.shutdown()
            self._answering.server_close()
        self._stop_kafka()  # one that was launched meanwhile
        self._open.close()

    def _stop_kafka(self) -> None:
        if self._kafka is not None:
            self._kafka.stop()


@contextmanager
def new_directory() -> Iterator[Path]:
    """Removed at the end; what a killed session has left is removed by the next one."""
    root = cache_directory() / "tests"
    root.mkdir(exist_ok=True)
    others = FileLock(root / "lock")
    assert others.acquire(PATIENCE_S)
    for old in root.glob("*/"):
        left = FileLock(old / "lock")
        if left.acquire(limit=0.0):
            shutil.rmtree(old)
            left.release()
    directory = Path(tempfile.mkdtemp(dir=root))
    ours = FileLock(directory / "lock")
    assert ours.acquire(limit=0.0)
    others.release()
    yield directory
    assert others.acquire(PATIENCE_S)  # else one that starts now takes a half-removed directory for a killed one's
    shutil.rmtree(directory)
    ours.release()
    others.release()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[SERVERS] = Servers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    node.workerinput["servers"] = node.config.stash[SERVERS].url()


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVERS in config.stash:
        config.stash[SERVERS].stop()


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    with new_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """The address of a broker."""
    if SERVERS in pytestconfig.stash:
        return pytestconfig.stash[SERVERS].kafka()
    with ServerProxy(pytestconfig.workerinput["servers"]) as servers:  # type: ignore[attr-defined]  # of a process of many
        return str(servers.kafka())
