"""A real schema registry on a loopback port: Apicurio, which speaks the API of Confluent's. For tests."""

import json
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

from app.embedded import jars, processes
from app.embedded.files import FileLock, cache_directory
from app.embedded.java import SMALL, java_environment, java_runtime
from app.embedded.ports import LOOPBACK, free_ports
from app.embedded.server import Server
from app.errors import SetupError

LOCK = Path(__file__).with_name("registry.lock")
API = "apis/ccompat/v7"
ANSWER_S = 1.0
UNPACK_LIMIT = 300.0


class RegistryServer(Server):
    """Clients reach its API at `url`; what is registered outlives it."""

    name: ClassVar[str] = "the schema registry"
    program: ClassVar[str] = "java"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._port, self._management_port = 0, 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/{API}"

    @property
    def workplace(self) -> Path:
        return self.directory

    def _prepare(self) -> None:
        if self.process is None:  # clients of a server that comes back know its port
            self._port, self._management_port = free_ports(0, 0)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": self._port,
            "quarkus.management.host": LOOPBACK,
            "quarkus.management.port": self._management_port,
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.directory / 'registry'}",
        }
        options = [f"-D{name}={value}" for name, value in settings.items()]
        command = [java_runtime()[0], *SMALL, *options, "-jar", str(_program() / "quarkus-run.jar")]
        return processes.start(command, directory=self.directory, log=self.log, environment=java_environment())

    def _missing(self) -> str:
        try:
            with urlopen(f"{self.url}/subjects", timeout=ANSWER_S) as answer:  # noqa: S310 - a loopback URL of ours
                json.load(answer)
        except (URLError, OSError, ValueError) as error:
            return str(error)
        return ""


def _program() -> Path:
    """Where the program is unpacked, once for all of a user's runs."""
    wanted = jars.locked(LOCK)
    (digest,) = wanted.values()
    place = cache_directory() / f"registry-{digest[:16]}"
    lock = FileLock(place.with_name(f"{place.name}.lock"))
    if not lock.acquire(UNPACK_LIMIT):
        raise SetupError(f"process {lock.holder()} has been unpacking {place} for too long; end it, start again")
    try:
        if not place.exists():
            (archive,) = jars.fetch(wanted, cache_directory() / "jars")
            _unpack(archive, place)
    finally:
        lock.release()
    return place


def _unpack(archive: Path, place: Path) -> None:
    """All of it or nothing, whenever it is killed."""
    begun = place.with_name(f"{place.name}.new")
    shutil.rmtree(begun, ignore_errors=True)
    with tarfile.open(archive) as file:
        file.extractall(begun, filter="data")
    begun.rename(place)
