"""A real Kafka broker, its own controller too, on a loopback port: Java from a wheel, jars from `app.embedded.jars`."""

import json
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.embedded import former_session, jars, processes
from app.embedded.files import cache_directory, write_secret
from app.embedded.java import SMALL, JavaServer
from app.embedded.ports import LOOPBACK, free_ports, listening
from app.errors import SetupError

FORMAT_LIMIT = 60.0

SETTINGS: dict[str, str | int] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    # relative to the broker's directory, whose own name may hold what this file cannot
    "log.dirs": "log",
    # one broker
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 8,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # topics are declared, and keep what they hold
    "auto.create.topics.enable": "false",
    "log.retention.ms": -1,
    "message.max.bytes": 1_048_588,
    "replica.fetch.max.bytes": 2_097_152,
    # data may rest for a long time between two runs
    "offsets.retention.minutes": 60 * 24 * 365,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    "transaction.max.timeout.ms": 900_000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1_000,
    # after a kill -9 the broker may register again only when the session of its former life has run out
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
    # small
    "log.cleaner.dedupe.buffer.size": 4_194_304,
    "num.io.threads": 2,
    "num.network.threads": 2,
    "background.threads": 2,
}


class KafkaServer(JavaServer):
    """Clients reach it at `bootstrap`, from this machine only."""

    name: ClassVar[str] = "Kafka"

    def __init__(self, directory: Path, node: int = 1, java: Sequence[str] = SMALL) -> None:
        super().__init__(directory, java)
        self.node = node
        self._ports_file = self.directory / "ports.json"
        self._settings = self.directory / "server.properties"
        self._port, self._controller_port = self._former_ports()

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self._port}"

    def _former_ports(self) -> tuple[int, int]:
        try:
            port, controller_port = json.loads(self._ports_file.read_bytes())
        except (OSError, ValueError):
            return 0, 0
        return port, controller_port

    def _prepare(self) -> None:
        self._use(jars.fetch(jars.locked(), cache_directory() / "jars"))
        self._choose_ports()
        write_secret(self._ports_file, json.dumps([self._port, self._controller_port]).encode())
        self._write_settings()
        self._format()
        self._end_former_life()

    def _choose_ports(self) -> None:
        if self.process is None:  # clients of a server that comes back know its port
            self._port, self._controller_port = free_ports(self._port, self._controller_port)

    def _end_former_life(self) -> None:
        if former_session.is_needed(self.directory):
            former_session.end_former_session(self._run_tool, self.directory, self._settings)

    @property
    def controller(self) -> str:
        """Where the controllers of its cluster connect."""
        return f"{LOOPBACK}:{self._controller_port}"

    def _own_settings(self) -> dict[str, str | int]:
        """What this broker has beyond, or in place of, `SETTINGS`."""
        return {"controller.quorum.voters": f"1@{self.controller}"}

    def _cluster_id(self) -> str:
        return "O" + secrets.token_urlsafe(16)[1:]

    def _write_settings(self) -> None:
        listeners = {"listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.controller}"}
        lines = [f"{name}={value}\n" for name, value in (SETTINGS | listeners | self._own_settings()).items()]
        self._settings.write_text("".join(lines))

    def _format(self) -> None:
        done = self.directory / "formatted"
        if done.exists():
            return
        shutil.rmtree(self.directory / "log", ignore_errors=True)
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id()}", f"--config={self._settings}"]
        process = self._run_tool(*tool)
        try:
            code = process.wait(FORMAT_LIMIT)
        finally:
            processes.end(process, signal.SIGKILL, 0)
        if code != 0:
            raise SetupError(f"its storage cannot be formatted; the end of {self.log}:\n{processes.tail(self.log)}")
        (self.directory / "log" / ".kafka_cleanshutdown").touch()  # nothing has run here that could have been killed
        done.touch()

    def _launch(self) -> subprocess.Popen[bytes]:
        return self._serve("kafka.Kafka", str(self._settings))

    def _missing(self) -> str:
        if not listening(self._port):
            return "nobody listens there yet"
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return "" if self.node in admin.list_topics(timeout=1.0).brokers else "it is not registered yet"
        except KafkaException as error:
            return str(error.args[0].str())
