"""Calls of Kafka clients that may hang: they run in threads that nobody has to wait for."""

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

ResultT = TypeVar("ResultT")
Calls: TypeAlias = SimpleQueue[Callable[[], None]]

# of threads that have nothing to do
_idle: Final[list[Calls]] = []


class Limit:
    """Until when somebody waits for a call."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._until, self._is_over = seconds, time.monotonic() + seconds, False
        self._lock = threading.Lock()

    def extend(self, seconds: float) -> None:
        """The call has come to a step that may take so long; a `TimeoutError` when nobody waits for it any more."""
        with self._lock:
            if self._is_over:
                raise TimeoutError("given up meanwhile")
            self.seconds, self._until = seconds, time.monotonic() + seconds

    def left_s(self) -> float:
        return self._until - time.monotonic()

    def end(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._is_over = True


async def limited(call: Callable[[], ResultT], limit: Limit) -> ResultT:
    """The call's result, from a thread that it has to itself; a `TimeoutError` past the limit.

    Some of librdkafka's calls do not keep their own limit (its issues 5456, 5511). Such a thread is given up, with the
    client that it hangs in: as a daemon it holds up neither the others nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[ResultT] = loop.create_future()

    def tell(result: ResultT | None, error: BaseException | None) -> None:
        if done.done():  # given up meanwhile
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def run() -> None:
        try:
            result, error = call(), None
        except BaseException as raised:  # noqa: BLE001 - handed over to the caller
            result, error = None, raised
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:
            """The loop has ended: nobody waits."""

    _start(run)
    try:
        while not done.done():
            if (left_s := limit.left_s()) <= 0:
                raise TimeoutError(f"a Kafka client did not come back from a call within {limit.seconds} s")
            await asyncio.wait({done}, timeout=left_s)
    finally:
        limit.end()
        done.cancel()
    return done.result()


def let_go(held: list[Any]) -> None:
    """Empties a list that holds the last references to clients, in a thread: what ends a client waits for its threads,
    or for ever."""
    _start(held.clear)


def _start(run: Callable[[], None]) -> None:
    """In an idle thread, or in a new one: to start one holds up the loop until it runs, on a busy machine for long."""
    try:
        calls = _idle.pop()
    except IndexError:
        calls = SimpleQueue()
        threading.Thread(target=_serve, args=(calls,), name="kafka-call", daemon=True).start()
    calls.put(run)


def _serve(calls: Calls) -> None:
    while True:
        calls.get()()
        _idle.append(calls)
