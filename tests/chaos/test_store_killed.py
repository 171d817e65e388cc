"""The write side while PostgreSQL, the API and relays are killed, or PostgreSQL stands still.

`KILLS=20` is the long form: so many kills of each.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from app.config import Settings
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.embedded.postgres import PostgresServer
from app.eventstore.port import StoreUnavailableError
from app.eventstore.postgres import PostgresEventStore
from app.serde.topics import ORDERS_EVENTS
from tests.chaos.clients import placing
from tests.chaos.open_appends import rolling_back
from tests.chaos.relays import CODEC, check_published, owner_of_most, relays, started
from tests.commands import Serving
from tests.contract.order_streams import created
from tests.integration.published_topic import PublishedTopic
from tests.integration.stored import check_whole, stored_events
from tests.killing import kill
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("KILLS", "1"))


@pytest.mark.timeout(600 + 30 * KILLS)
async def test_no_acknowledged_event_is_lost_or_doubled_when_postgres_api_and_relay_are_killed(
    own_kafka: KafkaServer, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Not in the store and not in the topic, and nothing that was rolled back is there."""
    kafka, postgres, chance, begin = own_kafka.bootstrap, own_postgres.dsn, random.Random(3), time.monotonic()
    topic = PublishedTopic(kafka, ORDERS_EVENTS)
    settings = Settings(kafka=kafka, postgres=postgres, port=free_ports(0)[0])
    api = Serving("api", settings=settings, log=tmp_path / "api.log")
    with relays(2, kafka, postgres, tmp_path) as pair, started(api):
        of_each: list[Callable[[], None]]
        of_each = [partial(kill_postgres, own_postgres), api.kill, lambda: owner_of_most(pair).kill()]
        kills = KILLS * of_each
        chance.shuffle(kills)
        async with placing(api.url, clients=20) as acknowledged, rolling_back(postgres) as undone:

            async def go_on() -> None:
                enough, length = len(acknowledged) + 50 + chance.randrange(100), topic.length()
                await eventually(lambda: len(acknowledged) > enough and topic.length() > length)

            for end in kills:
                await go_on()
                await asyncio.to_thread(end)
            await go_on()
        records = await asyncio.to_thread(topic.committed, len(acknowledged))
    check_whole(postgres, len(acknowledged))
    stored = stored_events(postgres)
    assert sorted((order_id, version) for _, order_id, version in stored) == sorted(acknowledged)
    check_published(records, [event_id for event_id, _, _ in stored])
    assert set(undone).isdisjoint(CODEC.decode(record.value).event_id for record in records)
    figures = {"kills": len(kills), "acknowledged": len(acknowledged), "rolled back": len(undone)}
    sys.stdout.write(f"{figures}, {time.monotonic() - begin:.0f} s\n")  # shown by -s


def kill_postgres(server: PostgresServer) -> None:
    """It starts again at once."""
    kill(server)
    server.start()


async def test_a_postgres_that_stands_still_is_not_waited_for_and_is_used_when_it_goes_on(
    own_postgres: PostgresServer,
) -> None:
    order_id, command_id = str(uuid4()), uuid4()
    events = [created(order_id)]
    async with PostgresEventStore(own_postgres.dsn, CODEC) as store:
        for _ in range(4):  # so that the connections are there before it stands still
            await store.append(order_id, 0, events, command_id=command_id)
        processes = server_processes(own_postgres)
        send(processes, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailableError):
                await store.append(order_id, 0, events, command_id=command_id)
        finally:
            send(processes, signal.SIGCONT)
        assert (await store.append(order_id, 0, events, command_id=command_id)).replayed
        assert await store.read(order_id) == events


def server_processes(server: PostgresServer) -> list[int]:
    assert server.process is not None
    with psycopg.connect(server.dsn) as connection:
        activity = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    return [server.process.pid, *(pid for (pid,) in activity)]


def send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)
