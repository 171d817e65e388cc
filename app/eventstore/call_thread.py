"""A thread for calls that may never come back: librdkafka does not always keep its own limits (5456, 5511)."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from app.errors import TransientError


class PublisherHangsError(TransientError):
    """A call did not come back; the publisher is of no more use."""


class CallThread:
    """Runs one call at a time. A call that hangs keeps the thread for ever, and nothing else."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def begin(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def wait(self, limit_s: float) -> None:
        """Returns, or raises, as the call did that was begun; a `PublisherHangsError` past the limit."""
        try:
            raised = self._outcomes.get(timeout=limit_s)
        except Empty:
            raise PublisherHangsError(
                f"Kafka did not answer within {limit_s:.0f} s; a new publisher will ask what it has done"
            ) from None
        if raised is not None:
            raise raised

    def end(self) -> None:
        """After the call that runs; not waited for."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                self._outcomes.put(error)
            else:
                self._outcomes.put(None)
