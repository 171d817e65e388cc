"""A real PostgreSQL 18 on a loopback port: one database, its owner, an administrator, with generated passwords."""

import json
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from app.embedded import processes, wheel
from app.embedded.files import write_secret
from app.embedded.ports import LOOPBACK, free_ports
from app.embedded.server import Server
from app.errors import SetupError

APPLICATION = "orderflow"
ADMINISTRATOR = "postgres"
INITDB_LIMIT = 120.0

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": 200,
    # change data capture reads the outbox from here
    "wal_level": "logical",
    "max_wal_senders": 8,
    "max_replication_slots": 8,
    # one that is away for long loses its place before it fills the disk
    "max_slot_wal_keep_size": "256MB",
    # a capture that hangs holds up a stop no longer than this
    "wal_sender_timeout": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
# an open write transaction in the cluster holds back the relay, so none may stay open
ROLE_SETTINGS = {"transaction_timeout": "30s", "idle_in_transaction_session_timeout": "10s"}


class PostgresServer(Server):
    """Clients reach it with `dsn` as the owner of the database, with `admin_dsn` as its administrator."""

    name: ClassVar[str] = "PostgreSQL"
    program: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._secrets_file = self.directory.with_name(f"{self.directory.name}.json")
        self._port, self._password, self._admin_password = self._former_secrets()

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def dsn(self) -> str:
        """For the application, which owns its database and no other."""
        return f"postgresql://{APPLICATION}:{self._password}@{self.address}/{APPLICATION}"

    @property
    def admin_dsn(self) -> str:
        """For who makes databases."""
        return f"postgresql://{ADMINISTRATOR}:{self._admin_password}@{self.address}/{ADMINISTRATOR}"

    @property
    def workplace(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        super().start()
        self._ensure_application()

    def _former_secrets(self) -> tuple[int, str, str]:
        try:
            port, password, admin_password = json.loads(self._secrets_file.read_bytes())
        except (OSError, ValueError):
            return 0, secrets.token_hex(16), secrets.token_hex(16)
        return port, password, admin_password

    def _prepare(self) -> None:
        self._hand_over(self.directory)
        if self.workplace.exists() and not self._secrets_file.exists():
            raise SetupError(f"{self._secrets_file} with its passwords is lost; remove {self.directory} to start anew")
        if self.process is None:  # clients of a server that comes back know its port
            (self._port,) = free_ports(self._port)
        # before initdb: a database whose password is lost is lost
        write_secret(self._secrets_file, json.dumps([self._port, self._password, self._admin_password]).encode())
        if not self.workplace.exists():
            self._initialise()
        # nobody works here any more: the number in this file may by now be that of any process
        (self.workplace / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the data directory, whole or not at all."""
        new, password = self.directory / "new", self.directory / "password"
        shutil.rmtree(new, ignore_errors=True)
        write_secret(password, self._admin_password.encode())
        self._hand_over(password)
        options = ["--username", ADMINISTRATOR, "--auth=scram-sha-256", "--encoding=UTF8"]
        # whatever the user's locale: the built-in one is everywhere and never changes an index's order
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = self._run("initdb", [*options, "--pgdata={}/new", "--pwfile={}/password"])
        try:
            code = process.wait(INITDB_LIMIT)
        finally:
            processes.end(process, signal.SIGKILL, 0)
            password.unlink()
        if code != 0:
            raise SetupError(f"its data cannot be made; the end of {self.log}:\n{processes.tail(self.log)}")
        new.rename(self.workplace)

    @staticmethod
    def _hand_over(path: Path) -> None:
        if account := wheel.account():
            os.chown(path, account.pw_uid, account.pw_gid)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = SETTINGS | {"port": self._port}
        return self._run("postgres", ["-D", "{}/data", *(f"--{name}={value}" for name, value in settings.items())])

    def _run(self, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        """Start a program; `{}` in its arguments is our directory.

        Not by its path, but by an open descriptor: so the account that runs the program needs no way through the
        directories above, which may be closed to it.
        """
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return processes.start(
                [wheel.programs() / program, *(text.format(f"/proc/self/fd/{descriptor}") for text in arguments)],
                directory=self.directory,
                log=self.log,
                at_parents_death=self.stop_signal,
                account=wheel.account(),
                descriptors=[descriptor],
            )
        finally:
            os.close(descriptor)

    def _missing(self) -> str:
        try:
            psycopg.connect(self.admin_dsn, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            return str(error)
        return ""

    def _ensure_application(self) -> None:
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            role = sql.Identifier(APPLICATION)
            if not connection.execute("select 1 from pg_roles where rolname = %s", [APPLICATION]).fetchone():
                connection.execute(sql.SQL("create role {} login password {}").format(role, self._password))
            # it makes the role and the slot of change data capture
            connection.execute(sql.SQL("alter role {} createrole replication").format(role))
            for name, value in ROLE_SETTINGS.items():
                connection.execute(sql.SQL("alter role {} set {} = {}").format(role, sql.Identifier(name), value))
            if not connection.execute("select 1 from pg_database where datname = %s", [APPLICATION]).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(role, role))
