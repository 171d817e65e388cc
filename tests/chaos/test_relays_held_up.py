"""Four relays under load, one order refused, one transaction held open, and relays killed at the worst points.

The transaction is open for as long as all this needs. `HELD_S=30` is the long form: so long at least.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest

from app.config import Settings
from app.domain.events import Event, Item
from app.embedded.kafka import KafkaServer
from app.eventstore.blocked import listed
from app.eventstore.port import EventStore
from app.eventstore.postgres import PostgresEventStore
from app.serde.topics import ORDERS_EVENTS
from tests.chaos.open_appends import open_append
from tests.chaos.relays import CODEC, RelayProcess, appending, check_published, owner_of_most, relays
from tests.chaos.side_table import Moment, held_up
from tests.commands import run
from tests.contract.order_streams import created, history
from tests.integration.published_topic import PublishedTopic
from tests.integration.stored import stored_events
from tests.topics import take_at_most
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

HELD_S = float(os.environ.get("HELD_S", "0"))
# more than a full batch of common events, compressed; less than the refused one
REFUSED_BYTES = 400_000
SHARDS = {0, 1}
ABOVE = "select id::text from outbox where xid > %s::xid8"
NEXT = "select pg_snapshot_xmax(pg_current_snapshot())::text"
PASSED = "select bool_and(xid >= %s::xid8) from relay_position"


class Outbox:
    """What four relays make of it."""

    def __init__(self, kafka: str, database: str, four: list[RelayProcess]) -> None:
        self._settings = Settings(kafka=kafka, postgres=database)
        self._database, self._four = database, four
        self.topic = PublishedTopic(kafka, ORDERS_EVENTS)
        self.refused = str(uuid4())
        self.figures: dict[str, float] = {"kills": 0}

    async def goes_on(self) -> None:
        length = self.topic.length()
        await eventually(lambda: self.topic.length() > length + 100)

    async def command(self, *words: str) -> tuple[int, Any]:
        """The exit code and the answer of `orderflow outbox`."""
        done = await asyncio.to_thread(run, "outbox", *words, "--json", settings=self._settings)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def versions_of_refused(self) -> list[int]:
        records = self.topic.committed_by_now()
        return [CODEC.decode(record.value).version for record in records if record.key == self.refused]

    async def kill(self, relay: RelayProcess) -> None:
        await asyncio.to_thread(relay.kill)
        self.figures["kills"] += 1

    async def kill_owners(self, shards: Callable[[], list[int]]) -> None:
        """Of these shards, as soon as there are any."""
        await eventually(shards)
        owners = [relay for relay in self._four if not relay.shards_owned().isdisjoint(shards())]
        assert owners != []
        for relay in owners:
            await self.kill(relay)

    async def wait_for_the_open_transaction(self, order_id: str) -> None:
        """Holds one open: the relays name it, one of them is killed, and nothing behind it is published."""
        async with open_append(self._database, history(order_id, 1, 3)) as transaction:
            begin, pid = time.monotonic(), transaction.info.backend_pid
            (xid,) = await (await transaction.execute("select pg_current_xact_id()::text")).fetchone() or ("",)
            await eventually(lambda: self._named_by_owners_of(pid) != set())
            self.figures["named after s"] = time.monotonic() - begin
            await eventually(lambda: self._named_by_owners_of(pid) == SHARDS)
            await self.kill(owner_of_most(self._four))
            await eventually(lambda: self._named_by_owners_of(pid) == SHARDS)
            await eventually(lambda: time.monotonic() > begin + HELD_S)
            behind = {str(event_id) for (event_id,) in self._ask(ABOVE, xid)}
            records = await asyncio.to_thread(self.topic.committed_by_now)
            assert behind != set()
            assert behind.isdisjoint(CODEC.decode(record.value).event_id for record in records)
            self.figures |= {"held s": time.monotonic() - begin, "waiting": len(behind)}
            await transaction.commit()
        await self._wait_for_the_backlog()

    async def _wait_for_the_backlog(self) -> None:
        begin, [(xid,)] = time.monotonic(), self._ask(NEXT)
        await eventually(lambda: self._ask(PASSED, xid) == [(True,)])
        self.figures["out after s"] = time.monotonic() - begin

    def _named_by_owners_of(self, pid: int) -> set[int]:
        """The shards whose owners name this process."""
        naming = [relay for relay in self._four if f"process {pid} " in relay.troubles()]
        return {shard for relay in naming for shard in relay.shards_owned()}

    def _ask(self, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._database) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()


def refused_in_the_middle(order_id: str) -> list[Event]:
    """Its third event is too large. A relay does not ask whether it makes sense there."""
    items = tuple(Item(sku=token_hex(120), quantity=1, unit_price_minor=1) for _ in range(2_800))
    large = msgspec.structs.replace(created(order_id), version=3, items=items)
    return [*history(order_id, 1, 2), large, *history(order_id, 4, 5)]


async def append(store: EventStore, events: list[Event]) -> None:
    await store.append(events[0].order_id, events[0].version - 1, events, command_id=uuid4())


async def test_four_relays_wait_for_an_open_transaction_pass_a_refused_order_and_lose_double_and_reorder_nothing(
    own_kafka: KafkaServer, database: str, tmp_path: Path
) -> None:
    kafka, held = own_kafka.bootstrap, str(uuid4())
    take_at_most(kafka, ORDERS_EVENTS, REFUSED_BYTES)
    with relays(4, kafka, database, tmp_path) as four:
        outbox = Outbox(kafka, database, four)
        async with PostgresEventStore(database, CODEC) as store, appending(store, orders=20) as appended:
            await outbox.goes_on()
            # the side table has it, the position is not there yet
            with held_up(database, "insert", Moment.AT_THE_COMMIT) as shards:
                await append(store, refused_in_the_middle(outbox.refused))
                await outbox.kill_owners(shards)
            await eventually(lambda: outbox.versions_of_refused() == [1, 2])
            await outbox.goes_on()

            await outbox.wait_for_the_open_transaction(held)
            code, [blocked] = await outbox.command("blocked")
            assert (code, blocked["aggregateid"], outbox.versions_of_refused()) == (1, outbox.refused, [1, 2])

            take_at_most(kafka, ORDERS_EVENTS, 1_000_000)
            # the position is there, the side table does not have it yet
            with held_up(database, "update of xid", Moment.AT_THE_WRITE) as shards:
                # not waited for here: when the relay has tried by itself just now, this waits for what is held up
                unblocking = asyncio.create_task(outbox.command("unblock", "--all"))
                await outbox.kill_owners(shards)
            assert (await unblocking)[0] == 0
            await eventually(lambda: listed(database) == [])
            await append(store, history(outbox.refused, 6, 6))
        stored = stored_events(database)
        ours = [event_id for event_id, order_id, _ in stored if order_id in {outbox.refused, held}]
        records = await asyncio.to_thread(outbox.topic.committed, len(stored))
    assert (len(ours), sorted(event_id for event_id, _, _ in stored)) == (9, sorted([*appended, *ours]))
    check_published(records, [event_id for event_id, _, _ in stored])
    figures = {name: round(figure, 2) for name, figure in outbox.figures.items()}
    sys.stdout.write(f"{figures | {'events': len(stored)}}\n")  # shown by -s
