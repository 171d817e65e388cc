"""Connect is killed, or hangs for so long that its slot is lost: the events are published once all the same.

HANDOVERS=10 kills it five times; without it, once.
"""

import asyncio
import os
import signal

import psycopg
import pytest

from app.alerts.port import Alert
from app.cdc import database
from app.cdc.capture import Capture
from app.cdc.guard import SlotGuard
from app.cdc.handover import Handover
from app.config import Settings
from app.embedded.connect import ConnectServer
from app.embedded.postgres import PostgresServer
from tests.cdc.handing import publisher, use
from tests.cdc.loading import Load
from tests.killing import kill
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

KILLS = 5 if "HANDOVERS" in os.environ else 1
SEGMENT = 16 * 1024 * 1024
OLDEST = "select pg_walfile_name(min(restart_lsn)) from pg_replication_slots"
IS_THERE = "select exists (select from pg_ls_waldir() where name = %s)"


async def test_what_a_killed_connect_had_begun_is_published_once(system: Settings, connect: ConnectServer) -> None:
    await asyncio.to_thread(use, "cdc", system)
    async with Load(system) as load:
        for _ in range(KILLS):
            await load.some_more()
            kill(connect)
            await asyncio.to_thread(connect.start)
    assert publisher(system) == "cdc"


async def test_a_connector_that_hangs_for_long_loses_its_slot_but_no_event(
    system: Settings, connect: ConnectServer, postgres_server: PostgresServer
) -> None:
    alerts: list[Alert] = []
    guard = SlotGuard(system.postgres, alerts.append)
    await asyncio.to_thread(use, "cdc", system)
    assert connect.process is not None
    async with Load(system) as load:
        connect.process.send_signal(signal.SIGSTOP)
        await load.some_more()
        with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as administrator:
            kept = administrator.execute(OLDEST).fetchone()
            for share in (0.6, 0.6):
                _write_wal(administrator, share)
                guard.look()
            assert administrator.execute(IS_THERE, kept).fetchone() == (False,)
        assert [alert.cause["trouble"] for alert in alerts] == [
            "keeps more than half of max_slot_wal_keep_size",
            "lost",
        ]

        await asyncio.to_thread(_use_relay_without_connect, system)
        connect.process.send_signal(signal.SIGCONT)
        await load.some_more()
        await asyncio.to_thread(_set_up, system)
        await asyncio.to_thread(use, "cdc", system)
        await load.some_more()
    guard.look()
    assert len(alerts) == 2


def _write_wal(administrator: psycopg.Connection, share: float) -> None:
    """So much of what a slot may keep; then PostgreSQL looks at its limits."""
    limit = database.check_limits(administrator)
    for _ in range(int(limit * share) // SEGMENT):
        administrator.execute("select pg_logical_emit_message(false, 'test', 'something'), pg_switch_wal()")
    administrator.execute("checkpoint")


def _use_relay_without_connect(settings: Settings) -> None:
    with database.connected(settings.postgres) as connection:
        Handover(connection, Capture(settings, connection), PATIENCE_S, lambda _: None).to_relay_without_connect()


def _set_up(settings: Settings) -> None:
    with database.connected(settings.postgres) as connection:
        Capture(settings, connection).set_up()
