"""The outbox changes sides while orders are placed: every event is published once, those of an order in order.

HANDOVERS=10 makes ten of each direction and kills at each step; without it there are few.
"""

import asyncio
import os
import threading
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from app.cdc import database as capturing
from app.cdc import publishing
from app.cdc.handover import NotReadyError
from app.config import Settings
from app.eventstore.outbox_parts import OutboxParts
from tests.cdc.handing import STEPS, publisher, use, use_and_die
from tests.cdc.loading import Load
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

HANDOVERS = int(os.environ.get("HANDOVERS", "0"))
KILLS = [(side, step) for side, steps in STEPS.items() for step in steps]
APPEND = "insert into events (order_id, version, event_id, type, payload) values (%s, 1, %s, '', %s)"
FEW_KILLS = [("cdc", "stopping the connector"), ("cdc", "starting the connector"), ("relay", "starting the relay")]


async def test_each_side_takes_over_from_the_other_under_load(system: Settings) -> None:
    await asyncio.to_thread(use, "relay", system)
    async with Load(system) as load:
        for _ in range(HANDOVERS or 1):
            for side in ("cdc", "relay"):
                await asyncio.to_thread(use, side, system)
                assert publisher(system) == side
                await load.some_more()


@pytest.mark.parametrize(("side", "step"), KILLS if HANDOVERS else FEW_KILLS)
@pytest.mark.parametrize("then", ["on", "back"])
async def test_a_handover_that_is_killed_goes_on_or_back(system: Settings, side: str, step: str, then: str) -> None:
    other = "relay" if side == "cdc" else "cdc"
    await asyncio.to_thread(use, other, system)
    async with Load(system) as load:
        await asyncio.to_thread(use_and_die, side, step, system)
        await load.some_more()
        wanted = side if then == "on" else other
        await asyncio.to_thread(use, wanted, system)
        assert publisher(system) == wanted
        await load.some_more()


async def test_whoever_publishes_goes_on_over_partitions_of_the_outbox(system: Settings) -> None:
    parts = OutboxParts(system.postgres, timedelta(0))
    for side in ("cdc", "relay"):
        await asyncio.to_thread(use, side, system)
        dropped: list[int] = []
        async with Load(system) as load:
            async with asyncio.timeout(PATIENCE_S):
                while not dropped:
                    await load.some_more()
                    dropped = await asyncio.to_thread(parts.tend, threading.Event())
            await load.some_more()


def test_no_marker_is_set_while_an_append_is_in_progress(database: str) -> None:
    with psycopg.connect(database) as appending, capturing.connected(database) as connection:
        appending.execute(APPEND, (uuid4(), uuid4(), b""))
        with pytest.raises(publishing.AppendHangsError):
            publishing.mark_to_cdc(connection)
        assert publishing.read(connection).state == "relay"
        appending.commit()
        publishing.mark_to_cdc(connection)
        assert publishing.read(connection).state == "to_cdc"


def test_one_handover_runs_at_a_time(database: str) -> None:
    with (
        capturing.connected(database) as one,
        capturing.connected(database) as other,
        publishing.alone(one),
        pytest.raises(publishing.HandoverRunsError),
        publishing.alone(other),
    ):
        pass


async def test_what_the_relay_holds_back_stays_with_it(system: Settings) -> None:
    """Behind a refused event of an order, later ones would overtake it on the other side."""
    await asyncio.to_thread(use, "relay", system)
    with psycopg.connect(system.postgres, autocommit=True) as connection:
        connection.execute(
            "insert into outbox_blocked (aggregateid, shard, xid, seq, last_error, next_attempt_at)"
            " values (gen_random_uuid(), 0, '0', 0, 'too large', 'infinity')"
        )
        with pytest.raises(NotReadyError, match="1 orders are blocked"):
            await asyncio.to_thread(use, "cdc", system)
        assert publisher(system) == "relay"
        connection.execute("delete from outbox_blocked")
