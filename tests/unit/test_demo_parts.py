"""What `orderflow demo` is made of: who owns its directory, how its servers are watched, what it shows of a log."""

import asyncio
import io
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from app.cli.demoing.bars import Bars
from app.cli.demoing.logs import SHOWN, last_events
from app.cli.demoing.servers import watch
from app.cli.demoing.system import RUNNING, System
from app.config import Settings
from app.embedded import processes
from app.embedded.server import Server
from app.embedded.stack import Stack
from app.errors import SetupError
from tests.killing import kill
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


class Sleeping(Server):
    """Serves nothing; its start takes as long as `ready` is not set."""

    name, program, stop_signal = "a server", "sleep", signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ready = threading.Event()
        self.ready.set()

    @property
    def workplace(self) -> Path:
        return self.directory

    def _prepare(self) -> None:
        pass

    def _launch(self) -> subprocess.Popen[bytes]:
        return processes.start(["/bin/sleep", "600"], directory=self.directory, log=self.log)

    def _missing(self) -> str:
        return "" if self.ready.is_set() else "it restores"


async def test_a_demo_that_is_refused_leaves_the_running_one_its_file(tmp_path: Path) -> None:
    running = Stack(tmp_path)
    running.claim()
    (tmp_path / RUNNING).write_bytes(b'{"api": "http://127.0.0.1:1234"}')
    second = System(tmp_path, Settings(), 1, print)
    with pytest.raises(SetupError, match=r"127\.0\.0\.1:1234"):
        await second.start(keep=False)
    await second.stop()
    assert (tmp_path / RUNNING).exists()
    running.stop()


async def test_a_server_that_takes_long_to_come_back_holds_up_no_other(tmp_path: Path) -> None:
    slow, other = Sleeping(tmp_path / "slow"), Sleeping(tmp_path / "other")
    for server in (slow, other):
        server.start()
    slow.ready.clear()
    came_back = asyncio.Event()
    watching = asyncio.create_task(watch([slow, other], lambda _: None, came_back.set))
    try:
        for server in (slow, other):
            kill(server)
        await asyncio.wait_for(came_back.wait(), PATIENCE_S)
        assert other.alive()
        assert not slow.ready.is_set()
        came_back.clear()
        slow.ready.set()
        await asyncio.wait_for(came_back.wait(), PATIENCE_S)
        assert slow.alive()
    finally:
        watching.cancel()
        await asyncio.to_thread(slow.stop)
        await asyncio.to_thread(other.stop)


async def test_a_server_that_does_not_come_back_is_told_and_tried_again(tmp_path: Path) -> None:
    server = Sleeping(tmp_path / "server")
    server.directory.write_text("in the way")
    told, again = [], asyncio.Event()

    def say(text: str) -> None:
        told.append(text)
        if "tried again" in text:
            server.directory.unlink(missing_ok=True)

    watching = asyncio.create_task(watch([server], say, again.set))
    await asyncio.wait_for(again.wait(), PATIENCE_S)
    watching.cancel()
    assert "cannot start" in told[1]
    assert server.alive()
    server.stop()


def event(name: str, **fields: str) -> bytes:
    said = {"event": name, "level": "error", "timestamp": "2026-01-02T03:04:05.123456Z", "logger": "app"}
    return msgspec.json.encode(said | fields) + b"\n"


def test_the_end_of_a_log_is_shown_one_line_an_event(tmp_path: Path) -> None:
    log = tmp_path / "log"
    traceback = "Traceback (most recent call last):\n  File ...\nOSError: the disk is full"
    early = [event(f"early.{number}", padding="x" * 900) for number in range(100)]
    log.write_bytes(
        b"".join([*early, event("store.failed", error="no place left"), event("it.died", exception=traceback)])
    )
    lines = last_events(log).splitlines()
    assert lines[-2:] == [
        "  03:04:05 error store.failed no place left",
        "  03:04:05 error it.died OSError: the disk is full",
    ]
    assert len(lines) == SHOWN
    assert all(line.startswith("  03:04:05 error early.") for line in lines[:-2])


def test_lines_that_are_no_events_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\n\n[1, 2]\n")
    assert last_events(tmp_path / "log") == "  a\n  [1, 2]"
    assert last_events(tmp_path / "none") == "  it is empty"


def shown(tell: Callable[[Bars], None]) -> list[str]:
    """The lines of the bars at their end, on a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=80)
    with Bars(console) as bars:
        tell(bars)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_what_is_being_done_is_shown_whole_beside_large_numbers() -> None:
    def tell(bars: Bars) -> None:
        bars.counting("orders placed", 11_206)(11_206)
        announce, _ = bars.working()
        announce("reading store, topics and ledgers")

    placed, reading = shown(tell)
    assert "11206/11206" in placed
    assert "reading store, topics and ledgers " in reading
    assert "?" not in reading


def test_bars_stand_below_each_other_and_end_full() -> None:
    def tell(bars: Bars) -> None:
        bars.counting("outcomes", 20)(25, 25)
        announce, done = bars.working()
        announce("comparing every row")
        done("rows compared", 42)

    outcomes, compared = shown(tell)
    assert outcomes.index("\u2501") == compared.index("\u2501")
    assert " 25/25 " in outcomes
    assert compared.startswith("rows compared")
    assert " 42/42 " in compared
