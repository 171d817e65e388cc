"""Calls of Kafka clients that may hang: they run in threads that nobody has to wait for."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def limited(call: Callable[[], ResultT], limit_s: float) -> ResultT:
    """The call's result, from a thread of its own; a `TimeoutError` past the limit.

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
        async with asyncio.timeout(limit_s):
            return await done
    except TimeoutError:
        raise TimeoutError(f"a Kafka client did not come back from a call within {limit_s} s") from None


def let_go(held: list[Any]) -> None:
    """Empties a list that holds the last references to clients, in a thread: what ends a client waits for its threads,
    or for ever."""
    _start(held.clear)


def _start(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="kafka-call", daemon=True).start()
