"""`orderflow store events`: all events in their order, on from any position."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from app.cli import store
from app.eventstore.port import NoPositionError
from app.eventstore.postgres import PostgresEventStore
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from tests.contract.following import all_events
from tests.contract.order_streams import history

ORDERS = sorted(str(uuid4()) for _ in range(3))


@pytest.fixture
def appended(database: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Three events of each order, in the order of the appends."""

    async def append() -> None:
        async with PostgresEventStore(database, event_codec(committed_registry(), ORDERS_EVENTS)) as events:
            for order_id in ORDERS:
                await events.append(order_id, 0, history(order_id, 1, 3), command_id=uuid4())
            await all_events(events, 9)

    asyncio.run(append())
    monkeypatch.setenv("ORDERFLOW_POSTGRES", database)
    return [{"order_id": order_id, "version": version} for order_id in ORDERS for version in (1, 2, 3)]


def printed(*words: str) -> list[str]:
    done = CliRunner().invoke(store.cli, ["events", *words])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_all_events_are_printed_in_the_order_of_their_appends(appended: list[dict[str, Any]]) -> None:
    lines = [json.loads(line) for line in printed("--json")]
    assert [{name: line["event"][name] for name in ("order_id", "version")} for line in lines] == appended
    assert [line["type"] for line in lines] == ["OrderCreated", "ItemAdded", "ItemAdded"] * 3


def test_who_goes_on_behind_a_position_has_the_rest(appended: list[dict[str, Any]]) -> None:
    lines = printed()
    assert len(lines) == len(appended)
    assert printed("--limit", "4") == lines[:4]
    assert printed("--after", lines[3].split()[0]) == lines[4:]
    assert printed("--after", lines[3].split()[0], "--limit", "2") == lines[4:6]
    refused = CliRunner().invoke(store.cli, ["events", "--after", "yesterday"])
    assert isinstance(refused.exception, NoPositionError)
