"""A thread whose calls may hang."""

import threading
from collections.abc import Iterator

import pytest

from app.eventstore.call_thread import CallThread, PublisherHangsError
from tests.waiting import PATIENCE_S


@pytest.fixture
def thread() -> Iterator[CallThread]:
    thread = CallThread("calls")
    yield thread
    thread.end()


def test_calls_are_done_one_after_another(thread: CallThread) -> None:
    done: list[int] = []
    for number in range(3):
        thread.begin(lambda number=number: done.append(number))  # type: ignore[misc]
        thread.wait(PATIENCE_S)
    assert done == [0, 1, 2]


def test_what_a_call_raises_is_raised_where_it_is_waited_for_and_the_next_call_is_done(thread: CallThread) -> None:
    def refuse() -> None:
        raise ValueError("refused")

    thread.begin(refuse)
    with pytest.raises(ValueError, match="refused"):
        thread.wait(PATIENCE_S)
    thread.begin(lambda: None)
    thread.wait(PATIENCE_S)


def test_a_call_that_hangs_is_given_up(thread: CallThread) -> None:
    released = threading.Event()

    def hang() -> None:
        released.wait(PATIENCE_S)

    thread.begin(hang)
    with pytest.raises(PublisherHangsError, match="did not answer"):
        thread.wait(0.01)
    released.set()
