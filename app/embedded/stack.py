"""Both servers together, on one directory that one process at a time may hold."""

import shutil
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from app.embedded import processes
from app.embedded.files import FileLock
from app.embedded.kafka import KafkaServer
from app.embedded.postgres import PostgresServer
from app.errors import SetupError


class Stack:
    """Kafka and PostgreSQL with all their data under `directory`.

    A start goes on with the data and, where they are free, the ports of the last run, however that ended. The servers
    end when this process ends, kill -9 included.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.kafka = KafkaServer(self.directory / "kafka")
        self.postgres = PostgresServer(self.directory / "postgres")
        self._lock = FileLock(self.directory / "lock")

    def claim(self) -> None:
        """Hold the directory until `stop`, or refuse with a `SetupError` that says where who holds it runs."""
        if self._lock.held:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            free = self._lock.acquire(limit=0.0)
        except OSError as error:
            raise SetupError(f"{self.directory} cannot be used ({error}); remove it or use another directory") from None
        if not free:
            raise SetupError(
                f"{self.directory} is in use: process {self._lock.holder()} runs there, "
                f"with Kafka at {self.kafka.bootstrap} and PostgreSQL at {self.postgres.address}; "
                "stop that one, or use another directory"
            )

    def erase(self) -> None:
        """Forget the data of earlier runs."""
        self.claim()
        for server in (self.kafka, self.postgres):
            processes.reap(server.program, server.workplace)
            shutil.rmtree(server.directory, ignore_errors=True)

    def start(self) -> None:
        """Return when both servers serve; after a failure nothing runs and the directory is free."""
        self.claim()
        try:
            with ThreadPoolExecutor(max_workers=2) as pool:
                starts = [pool.submit(server.start) for server in (self.kafka, self.postgres)]
                try:
                    wait(starts, return_when=FIRST_EXCEPTION)
                    for started in starts:
                        if started.done():
                            started.result()
                except BaseException:
                    # so that the other start ends too, and at once
                    self._end_both()
                    raise
        except BaseException:
            self.stop()
            raise

    def give_up(self) -> None:
        """From another thread: a start that is under way fails soon, and so does any later one."""
        for server in (self.kafka, self.postgres):
            server.give_up()

    def stop(self) -> None:
        """Stop both cleanly and free the directory."""
        try:
            self._end_both()
        finally:
            self._lock.release()

    def _end_both(self) -> None:
        with ThreadPoolExecutor(max_workers=2) as pool:
            for stopped in [pool.submit(server.stop) for server in (self.kafka, self.postgres)]:
                stopped.result()
