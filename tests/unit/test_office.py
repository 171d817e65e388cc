"""The office keeps the index up to date, whatever goes wrong on the way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from app.deadletters import office
from app.deadletters.office import Office
from app.serde.lock import committed_registry
from tests.waiting import until


def is_filling() -> bool:
    return any(thread.name == "dead-letters" for thread in threading.enumerate())


def test_the_index_is_kept_up_to_date_after_an_error_that_nobody_foresaw(monkeypatch: pytest.MonkeyPatch) -> None:
    failures, measured = [OverflowError("a number beyond 64 bits")], threading.Event()

    @contextmanager
    def desk(*_: object) -> Iterator[Any]:
        if failures:
            raise failures.pop()
        yield SimpleNamespace(index=SimpleNamespace(catch_up=lambda: 0))

    monkeypatch.setattr(office, "AGAIN_S", 0.01)
    monkeypatch.setattr(office, "desk", desk)
    monkeypatch.setattr(office, "_measure", lambda _: measured.set())
    with Office("127.0.0.1:1", "host=/nowhere", [], committed_registry()).open():
        until(lambda: measured.is_set() or not is_filling(), "the index is filled, or nobody fills it any more")
        assert measured.is_set()
