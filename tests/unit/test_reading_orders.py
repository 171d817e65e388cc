"""Orders read from their snapshots: the same orders, from few events, whatever the snapshots hold."""

import hashlib
from uuid import UUID, uuid4

import msgspec
import pytest

from app.commands import orders
from app.commands.orders import SCHEMA, Orders
from app.domain.events import Event, ItemAdded, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.orders import evolve_all
from app.eventstore.memory import MemoryEventStore
from app.eventstore.port import Snapshot
from tests.unit.order_events import ORDER_ID, event

pytestmark = pytest.mark.anyio

LENGTH = 100
INTERVAL = 10
HISTORY: list[Event] = [event(OrderCreated, 1), *(event(ItemAdded, version) for version in range(2, LENGTH + 1))]


class Counting(MemoryEventStore):
    """Knows how many events it has given."""

    given = 0

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        events = await super().read(order_id, from_version)
        self.given += len(events)
        return events

    async def append_at(self, version: int) -> None:
        await self.append(ORDER_ID, version - 1, [HISTORY[version - 1]], command_id=uuid4())


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setattr(orders, "INTERVAL", INTERVAL)
    return Counting()


async def test_no_read_of_a_growing_order_takes_more_than_an_interval_of_events(store: Counting) -> None:
    for version in range(1, LENGTH + 1):
        await store.append_at(version)
        store.given = 0
        assert await Orders(store).current(ORDER_ID) == evolve_all(None, HISTORY[:version])
        assert store.given <= INTERVAL


@pytest.mark.parametrize("version", [1, INTERVAL, LENGTH - 1, LENGTH])
async def test_an_order_is_read_as_it_was_at_any_version(store: Counting, version: int) -> None:
    reading = Orders(store)
    for appended in range(1, LENGTH + 1):
        await store.append_at(appended)
        await reading.current(ORDER_ID)
    assert await reading.at(ORDER_ID, version) == evolve_all(None, HISTORY[:version])


async def test_an_order_at_its_snapshot_is_read_from_no_events(store: Counting) -> None:
    await store.append(ORDER_ID, 0, HISTORY, command_id=uuid4())
    order = await Orders(store).current(ORDER_ID)
    store.given = 0
    assert await Orders(store).current(ORDER_ID) == await Orders(store).at(ORDER_ID, LENGTH) == order
    assert store.given == 0


@pytest.mark.parametrize(
    "kept",
    [Snapshot(50, "order-0", b"of an older release"), Snapshot(50, SCHEMA, b"\xc1"), Snapshot(50, SCHEMA, b"\x80")],
    ids=["another schema", "no bytes of ours", "no order"],
)
async def test_a_snapshot_that_cannot_be_read_is_as_none(store: Counting, kept: Snapshot) -> None:
    await store.append(ORDER_ID, 0, HISTORY, command_id=uuid4())
    store.keep(ORDER_ID, kept)
    assert await Orders(store).at(ORDER_ID, LENGTH) == evolve_all(None, HISTORY)
    assert await Orders(store).current(ORDER_ID) == evolve_all(None, HISTORY)


async def test_an_order_without_events_is_none(store: Counting) -> None:
    assert await Orders(store).current(str(UUID(int=0))) is None


def test_a_change_of_what_events_make_of_an_order_changes_the_schema_of_its_snapshots() -> None:
    """Red? What is kept in snapshots means something else now: raise `REVISION`, then put in what is found here."""
    endings: list[list[Event]] = [[], [event(OrderConfirmed, 3)], [event(OrderCancelled, 3)]]
    made = [evolve_all(None, [*HISTORY[:2], *ending]) for ending in endings]
    digest = hashlib.sha256(msgspec.json.encode([SCHEMA, *made])).hexdigest()
    assert digest == "6184458446fb6e3fd647353ae00bfbd14bac3ff5567c044dc56d5a3be509b25c"
