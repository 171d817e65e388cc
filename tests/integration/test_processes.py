"""No child outlives its parent, and none ends before it by accident."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.embedded import processes
from app.errors import SetupError
from tests.waiting import PATIENCE_S, until

SLEEP = ["/bin/sleep", "600"]
# the shell takes no notice of SIGTERM, and says when it has come so far
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]
# a shell that runs this in the background has it ignore SIGINT, and such a setting is inherited
PARENT = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from app.embedded import processes
child = processes.start(["/bin/sleep", "600"], directory=Path(sys.argv[1]), log=Path(sys.argv[1]) / "log")
print(child.pid, flush=True)
time.sleep(600)
"""
FORKING = """
import signal, sys
from pathlib import Path
from tests.forked import ForkedProcess
log = Path(sys.argv[1]) / "log"
child = ForkedProcess(signal.pause, [], {}, log, log)
print(child.pid, flush=True)
signal.pause()
"""


def runs(pid: int, program: str) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name.startswith(program)
    except OSError:
        return False


Start = Callable[[list[str]], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def start(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(processes.start(command, directory=tmp_path, log=tmp_path / "log"))
        return started[-1]

    yield start
    for process in started:
        processes.end(process, signal.SIGKILL, PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert parent.stdout
    child = int(parent.stdout.readline())
    until(lambda: runs(child, "sleep"))
    parent.send_signal(number)
    parent.wait(PATIENCE_S)
    parent.stdout.close()
    until(lambda: not runs(child, "sleep"))


def test_a_process_of_the_tests_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """Though it is the copy of a server between the two."""
    parent = subprocess.Popen([sys.executable, "-c", FORKING, tmp_path], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert parent.stdout
    child = int(parent.stdout.readline())
    until(lambda: os.getsid(child) == child)
    parent.kill()
    parent.wait(PATIENCE_S)
    parent.stdout.close()
    until(lambda: not runs(child, "python"))


def test_a_child_outlives_the_thread_that_asked_for_it(start: Start) -> None:
    with ThreadPoolExecutor(1) as asking:
        child = asking.submit(start, SLEEP).result()
    until(lambda: runs(child.pid, "sleep"))
    assert start(["/bin/true"]).wait(PATIENCE_S) == 0
    assert runs(child.pid, "sleep")


def test_a_child_is_out_of_reach_of_the_terminal(start: Start) -> None:
    assert os.getsid(start(SLEEP).pid) != os.getsid(0)


def test_a_stubborn_child_is_killed(start: Start, tmp_path: Path) -> None:
    child = start(STUBBORN)
    until(lambda: "deaf" in processes.tail(tmp_path / "log"))
    processes.end(child, signal.SIGTERM, 0.2)
    assert child.returncode == -signal.SIGKILL


def test_a_child_that_ends_while_starting_is_told_with_its_log(start: Start, tmp_path: Path) -> None:
    child = start(["/bin/sh", "-c", "echo the disk is full; exit 3"])
    with pytest.raises(SetupError, match=r"(?s)code 3 while starting.*the disk is full"):
        processes.wait_until_ready(child, lambda: "no", tmp_path / "log", PATIENCE_S)


def test_a_child_that_never_serves_is_told_with_the_reason(start: Start, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"not ready after 0 s .still loading"):
        processes.wait_until_ready(start(SLEEP), lambda: "still loading", tmp_path / "log", 0.1)


def test_what_an_earlier_run_left_is_waited_for_then_killed(start: Start, tmp_path: Path) -> None:
    left = start(SLEEP)
    until(lambda: runs(left.pid, "sleep"))
    processes.reap("sleep", tmp_path, limit=0.2)
    assert left.wait(PATIENCE_S) == -signal.SIGKILL


def test_processes_of_others_are_left_alone(start: Start, tmp_path: Path) -> None:
    other = start(SLEEP)
    until(lambda: runs(other.pid, "sleep"))
    processes.reap("sleep", tmp_path / "elsewhere", limit=0.2)
    processes.reap("java", tmp_path, limit=0.2)
    assert other.poll() is None


def test_a_log_is_kept_within_bounds(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * (processes.LOG_LIMIT + 1))
    start(["/bin/echo", "new"]).wait(PATIENCE_S)
    assert (tmp_path / "log").read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == processes.LOG_LIMIT + 1
