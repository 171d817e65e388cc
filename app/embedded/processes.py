"""Child processes that never outlive this one, and what is left of those of an earlier run."""

import functools
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from app.embedded import leash
from app.errors import SetupError

LOG_LIMIT = 4 * 1024 * 1024
SHOWN_OF_A_LOG = 2_000


@functools.cache
def _starter() -> ThreadPoolExecutor:
    """One thread that lives as long as the process: the kernel ties a child to the *thread* that started it."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def start(
    command: Sequence[str | Path],
    *,
    directory: Path,
    log: Path,
    at_parents_death: signal.Signals = signal.SIGKILL,
    account: pwd.struct_passwd | None = None,
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in `directory`, writing to `log`; it gets `at_parents_death` however this process ends.

    The program is given by its path and runs as `account`, or as the present user. It is out of reach of the terminal's
    Ctrl-C: its parent decides the order in which things stop.
    """
    uid, gid = (account.pw_uid, account.pw_gid) if account else (os.getuid(), os.getgid())
    leashed = [
        sys.executable,
        "-I",
        "-S",
        leash.__file__,
        str(os.getpid()),
        str(int(at_parents_death)),
        str(uid),
        str(gid),
    ]

    def launch() -> subprocess.Popen[bytes]:
        with _log_file(log) as output:
            return subprocess.Popen(
                [*leashed, *map(str, command)],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                start_new_session=True,
            )

    return _starter().submit(launch).result()


def _log_file(log: Path) -> BinaryIO:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(log.name + ".1"))
    return log.open("ab")


def end(process: subprocess.Popen[bytes], number: signal.Signals, limit: float) -> None:
    """Ask a child to stop by signal `number`; kill it when it has not ended after `limit` seconds."""
    process.send_signal(number)
    try:
        process.wait(limit)
    except BaseException as error:
        process.kill()
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


def wait_until_ready(process: subprocess.Popen[bytes], missing: Callable[[], str], log: Path, limit: float) -> None:
    """Return when `missing()` is empty; a `SetupError` shows the log when the child ends first or `limit` passes."""
    deadline = time.monotonic() + limit
    while why := missing():
        code = process.poll()
        if code is not None:
            raise SetupError(f"it ended with code {code} while starting; the end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise SetupError(f"it is not ready after {limit:.0f} s ({why}); the end of {log}:\n{tail(log)}")
        time.sleep(0.02)


def tail(log: Path) -> str:
    """The last lines of a log."""
    return log.read_bytes()[-SHOWN_OF_A_LOG:].decode(errors="replace") if log.exists() else ""


def reap(program: str, directory: Path, limit: float = 10.0) -> None:
    """Wait until no process of `program` works in `directory` any more; kill what stays longer than `limit` seconds.

    Only for the holder of the directory's lock: whatever works there is then left of a run that is dead.
    """
    deadline = time.monotonic() + limit
    while found := _working_in(program, directory):
        if time.monotonic() > deadline:
            for pid in found:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _working_in(program: str, directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "exe").readlink().name == program and (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found
