"""The whole system on one machine: servers, topics, and every process with its settings."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.cli.demoing.children import Child, Children
from app.cli.demoing.servers import watch
from app.cli.topics import declared
from app.config import Settings
from app.embedded.ports import LOOPBACK, free_ports
from app.embedded.stack import Stack
from app.errors import SetupError
from app.migrations import upgrade
from app.streaming.kafka import topics
from topologies import catalogue

RUNNING = "running.json"


class System:
    """Everything under `directory`; `say` hears what is started, what died and was started again."""

    def __init__(self, directory: Path, base: Settings, workers: int, say: Callable[[str], None]) -> None:
        self.directory = directory.resolve()
        self._base, self._workers, self._say = base, workers, say
        self.stack = Stack(self.directory)
        self.settings = base
        self.children = Children([], say)
        self._watching: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None
        self._written = False

    async def start(self, *, keep: bool) -> None:
        """Return when every process is ready to serve."""
        self._claim()
        if not keep:
            self.stack.erase()
            for leftover in ("work", "logs"):
                shutil.rmtree(self.directory / leftover, ignore_errors=True)
        self._say("starting Kafka and PostgreSQL")
        self._starting = asyncio.create_task(asyncio.to_thread(self.stack.start))
        await asyncio.shield(self._starting)
        self._configure()
        self._say("making tables and topics")
        await asyncio.to_thread(upgrade, self.settings.postgres)
        specs = declared(self.settings)
        await asyncio.to_thread(topics.apply, self.settings.kafka, specs, self.settings.partitions, 1)
        self._say(f"starting {len(self.children.all)} processes")
        await self.children.start()
        self._write_running()
        servers = [self.stack.kafka, self.stack.postgres]
        watches = [self.children.watch(self._write_running), watch(servers, self._say, self._write_running)]
        self._watching = [asyncio.create_task(watching) for watching in watches]

    async def stop(self) -> None:
        for watching in self._watching:
            watching.cancel()
        if self._written:  # else it is the file of another demo, which runs
            (self.directory / RUNNING).unlink(missing_ok=True)
        if self._starting is not None and not self._starting.done():
            # it works in the directory, which nobody else may have until it has ended
            await asyncio.to_thread(self.stack.give_up)
            await asyncio.wait({self._starting})
            self._starting.exception()
        await asyncio.to_thread(self.children.stop)
        await asyncio.to_thread(self.stack.stop)

    def _claim(self) -> None:
        running = self.directory / RUNNING
        try:
            self.stack.claim()
        except SetupError as error:
            if running.exists():
                api = msgspec.json.decode(running.read_bytes())["api"]
                raise SetupError(f"a demo runs already, its API is at {api}: {error}") from None
            raise
        running.unlink(missing_ok=True)  # left by a demo that was killed

    def _configure(self) -> None:
        names = ["api", "relay", "provider", "carrier"]
        replicas = [
            (f"{topology}-{number}", topology) for topology in catalogue.NAMES for number in range(1, self._workers + 1)
        ]
        ports = dict(
            zip([*names, *(name for name, _ in replicas)], free_ports(*[0] * (4 + len(replicas))), strict=True)
        )
        self.settings = msgspec.structs.replace(
            self._base,
            kafka=self.stack.kafka.bootstrap,
            postgres=self.stack.postgres.dsn,
            host=LOOPBACK,
            api=f"http://{LOOPBACK}:{ports['api']}",
            provider=f"http://{LOOPBACK}:{ports['provider']}",
            carrier=f"http://{LOOPBACK}:{ports['carrier']}",
        )
        commands = {
            "provider": ["simulate", "provider"],
            "carrier": ["simulate", "carrier"],
            "api": ["api"],
            "relay": ["relay"],
            **{name: ["worker", topology, "--from", "earliest"] for name, topology in replicas},
        }
        self.children = Children([self._child(name, ports[name], words) for name, words in commands.items()], self._say)

    def _child(self, name: str, port: int, words: list[str]) -> Child:
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        own = msgspec.structs.replace(self.settings, name=name, port=port, data=self.directory / "work" / name)
        return Child(name, words, own, logs / f"{name}.log")

    def _write_running(self) -> None:
        servers = {"kafka": self.stack.kafka.process, "postgres": self.stack.postgres.process}
        pids = {name: process.pid for name, process in servers.items() if process is not None}
        running = {
            "api": self.settings.api,
            "views": self.settings.api,
            "provider": self.settings.provider,
            "carrier": self.settings.carrier,
            "kafka": self.settings.kafka,
            "postgres": self.settings.postgres,
            "processes": pids | self.children.pids(),
        }
        path = self.directory / RUNNING
        temporary = path.with_suffix(".new")
        temporary.touch(0o600)  # it holds the database's password
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(running), indent=2))
        temporary.replace(path)
        self._written = True
