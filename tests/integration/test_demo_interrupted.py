"""A demo that is told to end while its servers start: nothing is left, and its exit code says so."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.embedded.files import FileLock
from tests.commands import working_in
from tests.waiting import PATIENCE_S, until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_told_to_end_while_it_starts_leaves_nothing_and_says_so(
    tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as said:
        command = [str(Path(sys.executable).with_name("orderflow")), "demo"]
        demo = subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said)
    until(lambda: "starting Kafka" in log.read_text(), "it starts its servers")
    demo.send_signal(number)
    assert demo.wait(PATIENCE_S) == 128 + number
    assert working_in(tmp_path) == []
    lock = FileLock(tmp_path / ".orderflow" / "lock")
    assert lock.acquire(limit=0.0)
    lock.release()
