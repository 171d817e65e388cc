"""A real Kafka Connect worker with Debezium on a loopback port: Java from a wheel, jars from `app.embedded.jars`.

What it knows (connectors, their offsets) is in topics, so one that is started anywhere goes on with it.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

from app.embedded import jars
from app.embedded.files import cache_directory
from app.embedded.java import SMALL, JavaServer
from app.embedded.ports import LOOPBACK, free_ports

GROUP = "orderflow-cdc"
CONNECT_LOCK = Path(__file__).with_name("connect.lock")
DEBEZIUM_LOCK = Path(__file__).with_name("debezium.lock")
ANSWER_S = 2.0
# warnings of every start that say nothing of this one
SILENT = ("org.glassfish.jersey", "org.apache.kafka.connect.runtime.WorkerConfig")

SETTINGS: dict[str, str | int] = {
    "group.id": GROUP,
    "config.storage.topic": f"{GROUP}-configs",
    "offset.storage.topic": f"{GROUP}-offsets",
    "status.storage.topic": f"{GROUP}-status",
    "offset.storage.partitions": 1,
    "status.storage.partitions": 1,
    # events and the position behind them in one Kafka transaction; who is replaced is fenced
    "exactly.once.source.support": "enabled",
    # connectors bring the converters that they need
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    "plugin.path": "plugins",
    "plugin.discovery": "service_load",
    # after a kill -9 the next worker waits for the session of the last one, and for nothing else
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 1_500,
    "scheduled.rebalance.max.delay.ms": 0,
}


class ConnectServer(JavaServer):
    """Its REST API is at `url`. `port` 0 takes any that is free; `replication` is that of its topics."""

    name: ClassVar[str] = "Kafka Connect"

    def __init__(
        self, directory: Path, kafka: str, port: int = 0, replication: int = 1, java: Sequence[str] = SMALL
    ) -> None:
        super().__init__(directory, java)
        self._kafka, self._port, self._replication = kafka, port, replication
        self._settings = self.directory / "connect.properties"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def _prepare(self) -> None:
        if not self._port:  # clients of a server that comes back know its port
            (self._port,) = free_ports(0)
        cache = cache_directory() / "jars"
        silent = [f"-Dorg.slf4j.simpleLogger.log.{name}=error" for name in SILENT]
        self._use(jars.fetch(jars.locked(CONNECT_LOCK), cache), silent)
        self._place_plugin(jars.fetch(jars.locked(DEBEZIUM_LOCK), cache))
        replication = {
            f"{what}.storage.replication.factor": self._replication for what in ("config", "offset", "status")
        }
        where = {"bootstrap.servers": self._kafka, "listeners": self.url}
        lines = [f"{name}={value}\n" for name, value in (SETTINGS | replication | where).items()]
        self._settings.write_text("".join(lines))

    def _place_plugin(self, found: list[Path]) -> None:
        """Connect loads what lies in one directory as one plugin."""
        plugins = self.directory / "plugins"
        shutil.rmtree(plugins, ignore_errors=True)
        (plugins / "debezium").mkdir(parents=True)
        for jar in found:
            (plugins / "debezium" / jar.name).symlink_to(jar)

    def _launch(self) -> subprocess.Popen[bytes]:
        return self._serve("org.apache.kafka.connect.cli.ConnectDistributed", str(self._settings))

    def _missing(self) -> str:
        try:
            with urlopen(f"{self.url}/health", timeout=ANSWER_S) as answer:  # noqa: S310 - a loopback URL of ours
                said = json.load(answer)
        except (URLError, OSError, ValueError) as error:
            return str(error)
        return "" if said.get("status") == "healthy" else str(said)
