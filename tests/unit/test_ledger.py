"""The ledger answers nobody before what it wrote is on disk."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from app.simulators.ledger import Entry, Ledger

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "provider.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def entry(order_version: int, state: str = "charged") -> Entry:
    terms: dict[str, str | int] = {"customer_id": "17850", "currency": "GBP", "amount_minor": 1250}
    return Entry(order_id="order-1", order_version=order_version, state=state, effect_id="p", terms=terms)


def listed(ledger: Ledger) -> list[Entry]:
    return [entry for page in ledger.pages(None) for entry in page]


async def test_settled_entry_is_there_for_the_next_process(ledger: Ledger, path: Path) -> None:
    await ledger.settle(lambda: ledger.write(entry(1)))
    other = Ledger(path)
    assert listed(other) == [entry(1)]
    other.close()


async def test_decisions_made_together_see_each_other_and_share_one_commit(ledger: Ledger) -> None:
    _, found, committed = await asyncio.gather(
        ledger.settle(lambda: ledger.write(entry(1))),
        ledger.settle(lambda: ledger.find("order-1", 1)),
        ledger.settle(lambda: listed(ledger)),
    )
    assert found == entry(1)
    assert committed == []
    assert listed(ledger) == [entry(1)]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_nobody_is_answered_when_the_commit_fails(ledger: Ledger) -> None:
    with full_disk():
        writes = [ledger.settle(partial(ledger.write, entry(version))) for version in (1, 2)]
        answers = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(answer) for answer in answers] == [sqlite3.OperationalError] * 2
    assert listed(ledger) == []
    await ledger.settle(lambda: ledger.write(entry(3)))
    assert listed(ledger) == [entry(3)]


async def test_caller_that_leaves_does_not_take_the_commit_along(ledger: Ledger) -> None:
    leaving = asyncio.ensure_future(ledger.settle(lambda: ledger.write(entry(1))))
    staying = asyncio.ensure_future(ledger.settle(lambda: ledger.write(entry(2))))
    asyncio.get_running_loop().call_soon(leaving.cancel)
    await staying
    assert listed(ledger) == [entry(1), entry(2)]


async def test_later_entry_replaces_that_of_its_key(ledger: Ledger) -> None:
    await ledger.settle(lambda: ledger.write(entry(1)))
    await ledger.settle(lambda: ledger.write(entry(1, "refunded")))
    assert listed(ledger) == [entry(1, "refunded")]
