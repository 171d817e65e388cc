"""Gives each Python peer an environment of its own, under the user's cache, from its committed requirements."""

import hashlib
import subprocess
import sys
from pathlib import Path

from app.embedded.files import FileLock, cache_directory
from app.errors import SetupError

PEERS = Path(__file__).parent / "peers"
LIMIT_S = 900.0
INSTALL = ("install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement")


def python_of(peer: str) -> str:
    """The interpreter of a peer, whose packages are installed when they are not yet; a `SetupError` says why not."""
    requirements = PEERS / f"{peer}.txt"
    pinned = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    directory = cache_directory() / "bench" / f"{peer}-{pinned}"
    directory.parent.mkdir(exist_ok=True)
    python, ready = directory / "bin" / "python", directory / "ready"
    lock = FileLock(directory.with_suffix(".lock"))
    if not lock.acquire(LIMIT_S):
        raise SetupError(f"process {lock.holder()} still installs {peer}; wait for it, or end it")
    try:
        if not ready.exists():
            _run(peer, sys.executable, "-m", "venv", "--clear", directory)
            _run(peer, python, "-m", "pip", *INSTALL, requirements)
            ready.touch()
    finally:
        lock.release()
    return str(python)


def _run(peer: str, *command: str | Path) -> None:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S
    )
    if done.returncode:
        raise SetupError(f"{peer} cannot be installed: {done.stdout.strip().splitlines()[-1:]}")
