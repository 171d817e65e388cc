"""The stores of one worker's directory: opened within one memory budget, set aside when damaged, removed when left."""

import fcntl
import re
import shutil
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from app.observability.log import logger
from app.streaming.errors import DiskFullError, StoreDamagedError
from app.streaming.memory import StateMemory
from app.streaming.store import Store

log = logger(__name__)

SET_ASIDE = ".damaged-"
KEPT_ASIDE = 2  # of a task: enough to see whether it happens again
REMOVED = ".removed"


class Stores:
    """`keep_s`: how long a store stays that no task has used, so that its task finds it when it comes back."""

    def __init__(self, directory: Path, memory: StateMemory, keep_s: float) -> None:
        self._directory, self._memory, self.keep_s = directory, memory, keep_s
        self._opened: dict[str, Store] = {}
        self._began = time.time()
        self._lock = threading.Lock()

    @property
    def rows_each(self) -> int:
        """The bytes that the cached rows of one task may take."""
        return self._memory.rows // max(1, sum([store.is_open for store in list(self._opened.values())]))

    def open(self, name: str) -> Store:
        """The store of that name (blocking). One that is damaged, or was found so, is set aside and begun anew."""
        with self._lock:
            former = self._opened.get(name)
            if former is not None and isinstance(former.failure, StoreDamagedError):
                self._set_aside(name, former.failure)
                del self._opened[name]
            try:
                self._opened[name] = self._open(name)
            except DiskFullError:
                self._remove(self._directory.glob(f"*{SET_ASIDE}*"), "the disk is full")
                raise
            return self._opened[name]

    def partitions(self, topology: str) -> list[int]:
        """The tasks of the topology that have a store here."""
        numbers = [path.name.removeprefix(f"{topology}-") for path in self._directory.glob(f"{topology}-*")]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def _open(self, name: str) -> Store:
        try:
            return Store(self._directory / name, self._memory)
        except StoreDamagedError as error:
            self._set_aside(name, error)
        return Store(self._directory / name, self._memory)

    def _set_aside(self, name: str, why: StoreDamagedError) -> None:
        path = self._directory / name
        if path.exists():
            aside = path.with_name(f"{name}{SET_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
            path.rename(aside)
            log.error("store.set_aside", path=str(path), to=str(aside), why=str(why))
        kept = sorted(self._directory.glob(f"{name}{SET_ASIDE}*"))
        self._remove(kept[:-KEPT_ASIDE], f"{KEPT_ASIDE} newer ones are kept")

    def sweep(self, topology: str) -> list[str]:
        """Remove the topology's stores that nobody has used for `keep_s`, in this process or another (blocking); the
        names of those that are gone."""
        gone: list[str] = []
        ours = re.compile(rf"{re.escape(topology)}-\d+({re.escape(SET_ASIDE)}.*|{re.escape(REMOVED)})?")
        for path in self._directory.glob(f"{topology}-*"):
            if ours.fullmatch(path.name):
                with self._lock:
                    left = self._moved_away(path)
                self._remove(left, f"no task has used it for {self.keep_s} s")
                gone += [path.name for _ in left]
        return gone

    def _moved_away(self, path: Path) -> list[Path]:
        """The place to which it was moved, if nobody needs it, so that whoever comes now begins a new one."""
        opened = self._opened.get(path.name)
        if not path.exists():  # removed with the one that it was left of
            return []
        used_at = max(self._began, path.stat().st_mtime)
        if (opened is not None and opened.is_open) or time.time() - used_at < self.keep_s or _is_locked(path):
            return []
        if not path.name.endswith(REMOVED):
            removed = path.with_name(path.name + REMOVED)
            shutil.rmtree(removed, ignore_errors=True)  # which a process that was killed has left there
            path = path.rename(removed)
        return [path]

    def _remove(self, paths: Iterable[Path], why: str) -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
            log.info("store.removed", path=str(path), why=why)


def _is_locked(path: Path) -> bool:
    """Whether another process has it open. Not to be asked of one that is open here: that would unlock it."""
    try:
        with (path / "LOCK").open("a") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
