"""Named points of a checkpoint and of a restore, at one of which a worker's process ends itself as kill -9 would.

At `.before` and `.after` a call has not begun or has just returned. At `.amid` it is under way: the kernel ends the
process a moment after the call began, whatever its threads do then; where the call returned sooner, it ends right then,
which is noted as `LATE`.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from app.streaming.kafka import clients, owned, restore
from app.streaming.kafka.checkpoint import Transactions
from app.streaming.kafka.owned import OwnedTask
from app.streaming.state import Snapshot, TaskState
from app.streaming.store import Store
from app.streaming.task import Task

CHECKPOINT = (
    *("snapshot.before", "snapshot.after", "begin.before", "begin.after"),
    *("produce.before", "produce.after", "offsets.before", "offsets.amid", "offsets.after"),
    *("commit.before", "commit.flushed", "commit.amid", "commit.after"),
    *("write.before", "write.batched", "write.amid", "write.after"),
)
# `rows` are written as they come, `positions` when all are; with `start` a new owner commits where it begins.
RESTORE = (
    *("fence.before", "fence.amid", "fence.after", "restore.before", "replay.before"),
    *("rows.before", "rows.batched", "rows.amid", "rows.after", "replay.after"),
    *("positions.before", "positions.amid", "positions.after", "restore.after"),
    *("start-offsets.before", "start-offsets.amid", "start-offsets.after"),
    *("start-commit.before", "start-commit.amid", "start-commit.after", "active.before", "active.after"),
)
POINTS = CHECKPOINT + RESTORE

AMID_S = 0.001  # after a request to the broker began
WRITING_S = 0.0001  # after a write began
WRITES = {"write", "rows", "positions"}

LATE = "late"


class Death:
    """Comes when `point` is reached for the `number`th time, and is noted in a file just before."""

    def __init__(self, point: str, number: int, note: Path) -> None:
        self._point, self._left, self._note = point, number, note
        self._lock = threading.Lock()

    def is_near(self, point: str) -> bool:
        """Counts one arrival."""
        if point != self._point:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    def at(self, point: str) -> None:
        if self.is_near(point):
            self.come()

    def come(self) -> None:
        self._note.write_text(self._point)
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call with a point before it, one amid it and one after it."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.at(f"{name}.before")
            is_amid = self.is_near(f"{name}.amid")
            if is_amid:
                self._come_soon(WRITING_S if name in WRITES else AMID_S)
            answer = call(*arguments, **named)
            if is_amid:
                self._come_late()
            self.at(f"{name}.after")
            return answer

        return wrapped

    def _come_soon(self, seconds: float) -> None:
        """By SIGALRM, whose default is to end the process: no thread of ours has to run for it, as for one of Python's
        timers, which waits while a call keeps the interpreter."""
        self._note.write_text(self._point)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def _come_late(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._note.write_text(LATE)
        os.kill(os.getpid(), signal.SIGKILL)


def arm(death: Death) -> None:
    """Wrap, in this process, the calls that the points are named after."""
    clients.Producer = _producer(death)  # type: ignore[attr-defined]  # armed, as all that follows
    Transactions.commit_positions = _starting()  # type: ignore[method-assign]
    TaskState.snapshot = death.around("snapshot", TaskState.snapshot)  # type: ignore[method-assign]
    Task.open = death.around("active", Task.open)  # type: ignore[method-assign]
    restore.replay = death.around("replay", restore.replay)
    owned.restore = death.around("restore", owned.restore)  # type: ignore[attr-defined]
    persisting = threading.local()
    OwnedTask._persist = _persist(persisting)  # type: ignore[method-assign]
    Store.write = _write(death, persisting)  # type: ignore[method-assign]


def _producer(death: Death) -> type:
    class Dying(Producer):  # type: ignore[misc]  # its client has no types
        part = ""  # of the names of what is called now: a restore's transaction is not a checkpoint's

        def init_transactions(self, *arguments: Any) -> None:
            death.around("fence", super().init_transactions)(*arguments)

        def begin_transaction(self) -> None:
            death.around(f"{self.part}begin", super().begin_transaction)()

        def produce(self, *arguments: Any, **named: Any) -> None:
            death.around("produce", super().produce)(*arguments, **named)

        def send_offsets_to_transaction(self, *arguments: Any) -> None:
            death.around(f"{self.part}offsets", super().send_offsets_to_transaction)(*arguments)

        def commit_transaction(self, *arguments: Any) -> None:
            if death.is_near(f"{self.part}commit.flushed"):
                self.flush()
                death.come()
            death.around(f"{self.part}commit", super().commit_transaction)(*arguments)

    return Dying


def _starting() -> Callable[..., Any]:
    commit_positions = Transactions.commit_positions

    async def starting(transactions: Transactions, positions: dict[str, int]) -> None:
        producer = transactions._producer
        producer.part = "start-"
        await commit_positions(transactions, positions)
        producer.part = ""

    return starting


def _persist(persisting: threading.local) -> Callable[..., None]:
    persist = OwnedTask._persist

    def marked(task: OwnedTask, store: Store, snapshot: Snapshot) -> None:
        persisting.now = True
        try:
            persist(task, store, snapshot)
        finally:
            persisting.now = False

    return marked


def _write(death: Death, persisting: threading.local) -> Callable[..., None]:
    """A checkpoint's is `write`; a restore's is `rows`, or `positions` where it has none."""
    writing = Store.write

    def write(store: Store, rows: Iterable[tuple[bytes, bytes | None]], changelogs: dict[str, int]) -> None:
        taken = list(rows)
        name = "write" if getattr(persisting, "now", False) else "rows" if taken else "positions"
        death.around(name, writing)(store, _batched(death, name, taken), changelogs)

    return write


def _batched(death: Death, name: str, rows: list[tuple[bytes, bytes | None]]) -> Iterator[tuple[bytes, bytes | None]]:
    for number, row in enumerate(rows):
        if number == len(rows) // 2:
            death.at(f"{name}.batched")
        yield row
