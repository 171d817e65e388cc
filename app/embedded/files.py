"""Files that several processes share: the user's cache, exclusive locks, whole-or-nothing writes."""

import fcntl
import os
import time
from pathlib import Path

from app.errors import SetupError


def cache_directory() -> Path:
    """Where downloads are kept for all checkouts of a user."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(root) / "orderflow"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"the cache {directory} cannot be made ({error}); set XDG_CACHE_HOME to a directory") from None
    return directory


def write_secret(path: Path, content: bytes) -> None:
    """Replace a file, for its owner's eyes only; after a crash it has the old content or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class FileLock:
    """A lock between processes. It is free again when its holder releases it or dies, in whatever way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, limit: float) -> bool:
        """Whether the lock was got within `limit` seconds."""
        deadline = time.monotonic() + limit
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        return True

    def _try(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the holder before us has removed this file: the lock is on the one that took its place
            if os.fstat(descriptor).st_ino != self._path.stat().st_ino:
                raise FileNotFoundError(self._path)
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor
        return True

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def holder(self) -> str:
        """The process id of who holds the lock, or a question mark while that changes."""
        try:
            return self._path.read_text() or "?"
        except FileNotFoundError:
            return "?"

    def release(self) -> None:
        """Give the lock back and leave no file behind; does nothing when it is not held."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
