"""Old results of commands are removed once their order has ended; a command that comes again has no second effect."""

import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from app.commands.service import Commands, Request
from app.domain.events import Item, OrderCancelled, OrderConfirmed
from app.domain.orders import AddItem, CancelOrder, Command, CreateOrder, OrderEndedError, OrderExistsError
from app.errors import ConcurrencyError
from app.eventstore import results
from app.eventstore.postgres import PostgresEventStore
from app.eventstore.results import ResultExpiry
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS, full_name

pytestmark = pytest.mark.anyio

KEEP = timedelta(days=30)
ITEM = Item(sku="tea", quantity=2, unit_price_minor=150)


class Shop:
    """Commands on a database, one order each."""

    def __init__(self, dsn: str, store: PostgresEventStore) -> None:
        self.dsn, self.store = dsn, store
        self.commands = Commands(store, lambda: 1_000_000)

    async def send(self, command: Command, key: UUID, expected: int | None = None) -> int:
        request = Request(command=command, command_id=key, causation_id=str(key), expected=expected)
        return (await self.commands.handle(request)).order.version

    def sql(self, statement: str, *parameters: object) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def grow_old(self) -> None:
        self.sql("update idempotency set appended_at = appended_at - interval '31 days'")

    def results(self) -> set[UUID]:
        return set(self.sql("select command_id from idempotency"))


@pytest.fixture
async def shop(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setattr(results, "PAGES", 1)
    monkeypatch.setattr(results, "PAUSE_S", 0.0)
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    async with PostgresEventStore(database, codec) as store:
        yield Shop(database, store)


@pytest.fixture
def expiry(database: str) -> ResultExpiry:
    return ResultExpiry(database, KEEP, [full_name(kind) for kind in (OrderConfirmed, OrderCancelled)])


def placed(order_id: str) -> CreateOrder:
    return CreateOrder(order_id=order_id, customer_id="ada", currency="GBP", items=(ITEM,))


async def test_old_results_of_ended_orders_are_removed_and_no_others(shop: Shop, expiry: ResultExpiry) -> None:
    pending, ended, recent = str(uuid4()), str(uuid4()), str(uuid4())
    keys = [uuid4() for _ in range(5)]
    await shop.send(placed(pending), keys[0])
    await shop.send(placed(ended), keys[1])
    await shop.send(CancelOrder(order_id=ended, reason="late"), keys[2])
    shop.grow_old()
    await shop.send(placed(recent), keys[3])
    await shop.send(CancelOrder(order_id=recent, reason="late"), keys[4])

    assert expiry.expire(threading.Event()) == 2
    assert shop.results() == {keys[0], keys[3], keys[4]}
    assert expiry.expire(threading.Event()) == 0


async def test_a_command_without_its_result_has_no_second_effect(shop: Shop, expiry: ResultExpiry) -> None:
    order_id, create, add, cancel = str(uuid4()), uuid4(), uuid4(), uuid4()
    await shop.send(placed(order_id), create)
    await shop.send(AddItem(order_id=order_id, item=ITEM), add)
    await shop.send(CancelOrder(order_id=order_id, reason="late"), cancel)
    shop.grow_old()
    assert expiry.expire(threading.Event()) == 3

    with pytest.raises(OrderExistsError):
        await shop.send(placed(order_id), create)
    with pytest.raises(OrderEndedError):
        await shop.send(AddItem(order_id=order_id, item=ITEM), add)
    with pytest.raises(ConcurrencyError):
        await shop.send(AddItem(order_id=order_id, item=ITEM), add, expected=1)
    assert len(await shop.store.read(order_id)) == 3


async def test_one_at_a_time_goes_through_all_pages(shop: Shop, expiry: ResultExpiry) -> None:
    order_id = str(uuid4())
    await shop.send(placed(order_id), uuid4())
    await shop.send(CancelOrder(order_id=order_id, reason="late"), uuid4())
    shop.sql(
        "insert into idempotency (command_id, order_id, version, fingerprint) "
        "select gen_random_uuid(), %s, 2, '' from generate_series(1, 500)",
        order_id,
    )
    shop.grow_old()
    assert shop.sql("select pg_relation_size('idempotency')")[0] > 3 * 8192
    with psycopg.connect(shop.dsn, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (results.WORKING,))
        assert expiry.expire(threading.Event()) == 0
    assert expiry.expire(threading.Event()) == 502
    assert shop.results() == set()
