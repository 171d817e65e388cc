"""A connector that fails is shown with what Connect says of it."""

import pytest

from app.cdc import database
from app.cdc.capture import Capture
from app.cdc.connector import connector
from app.config import Settings
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_failed_connector_is_shown_with_its_trace_until_it_is_set_up_again(system: Settings) -> None:
    with database.connected(system.postgres) as connection:
        capture = Capture(system, connection)
        database.ensure_role(connection, capture.name, "known")
        wrong = connector(system.postgres, capture.name, "known") | {"publication.name": "nowhere"}
        capture.connect.configure(wrong)
        await eventually(lambda: "the connector is FAILED" in capture.status().problems)
        failed = capture.status().connector
        assert failed is not None
        assert "\tat io.debezium" in failed.trace

        capture.set_up()
        await eventually(lambda: capture.status().problems == ())
