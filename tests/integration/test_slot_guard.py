"""Whatever is wrong with the slot while capture publishes is told, once."""

from collections.abc import Iterator

import psycopg
import pytest

from app.alerts.port import Alert
from app.cdc import database as capturing
from app.cdc import guard, publishing
from app.cdc.guard import SlotGuard
from app.errors import SetupError
from app.eventstore.outbox import Connection


@pytest.fixture
def connection(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Of a database with a slot, where nobody is waited for."""
    monkeypatch.setattr(guard, "AWAY_S", -1.0)
    with psycopg.connect(database, autocommit=True) as connection:
        capturing.ensure_slot(connection, capturing.name_of(connection))
        yield connection
        capturing.drop_slot(connection, capturing.name_of(connection))


@pytest.fixture
def alerts() -> list[Alert]:
    return []


@pytest.fixture
def slot_guard(database: str, alerts: list[Alert]) -> SlotGuard:
    return SlotGuard(database, alerts.append)


def troubles(alerts: list[Alert]) -> list[str]:
    return [alert.cause["trouble"] for alert in alerts]


def capture_publishes(connection: Connection) -> None:
    publishing.mark_to_cdc(connection)
    publishing.settle_cdc(connection)


def test_a_slot_that_nobody_reads_is_told_once_and_one_that_is_gone_then(
    connection: Connection, slot_guard: SlotGuard, alerts: list[Alert]
) -> None:
    capture_publishes(connection)
    for _ in range(2):
        slot_guard.look()
    assert troubles(alerts) == ["nobody reads it, so nothing is published"]
    capturing.drop_slot(connection, capturing.name_of(connection))
    for _ in range(2):
        slot_guard.look()
    assert troubles(alerts)[1:] == ["is gone, so nothing is published"]


def test_a_slot_that_is_gone_or_that_nobody_reads_is_no_trouble_while_the_relay_publishes(
    connection: Connection, slot_guard: SlotGuard, alerts: list[Alert]
) -> None:
    slot_guard.look()
    capturing.drop_slot(connection, capturing.name_of(connection))
    slot_guard.look()
    assert alerts == []


def test_a_slot_is_gone_only_after_a_while(
    connection: Connection, slot_guard: SlotGuard, alerts: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "AWAY_S", 3600.0)
    capture_publishes(connection)
    capturing.drop_slot(connection, capturing.name_of(connection))
    slot_guard.look()
    assert alerts == []


def test_that_nobody_reads_the_slot_is_told_where_its_limit_was_taken_away(
    connection: Connection, slot_guard: SlotGuard, alerts: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_limit(_: Connection) -> int:
        raise SetupError("PostgreSQL has no max_slot_wal_keep_size")

    monkeypatch.setattr(capturing, "check_limits", no_limit)
    capture_publishes(connection)
    for _ in range(2):
        with pytest.raises(SetupError):
            slot_guard.look()
    assert troubles(alerts) == ["nobody reads it, so nothing is published"]


def test_a_slot_that_nobody_reads_and_that_keeps_too_much_is_told_of_both(
    connection: Connection, slot_guard: SlotGuard, alerts: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture_publishes(connection)
    slot_guard.look()
    monkeypatch.setattr(capturing, "check_limits", lambda _: 1)
    for _ in range(2):
        slot_guard.look()
    assert troubles(alerts) == [
        "nobody reads it, so nothing is published",
        "keeps more than half of max_slot_wal_keep_size",
    ]
