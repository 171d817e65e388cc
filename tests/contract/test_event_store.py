"""One suite for every adapter of the event store: what `EventStore` promises."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from app.domain.events import Event
from app.errors import ConcurrencyError
from app.eventstore.memory import MemoryEventStore
from app.eventstore.port import (
    Appended,
    AppendFailedError,
    CommandReusedError,
    EventStore,
    NoPositionError,
    Snapshot,
)
from app.eventstore.postgres import PostgresEventStore
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from tests.contract.following import all_events
from tests.contract.order_streams import added, created, history
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    async with opened(request, "shared_database") as store:
        yield store


@pytest.fixture(params=["memory", "postgres"])
async def empty_store(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    async with opened(request, "database") as store:
        yield store


@asynccontextmanager
async def opened(request: pytest.FixtureRequest, database: str) -> AsyncIterator[EventStore]:
    if request.param == "memory":
        yield MemoryEventStore()
        return
    dsn = request.getfixturevalue(database)
    async with PostgresEventStore(dsn, event_codec(committed_registry(), ORDERS_EVENTS)) as postgres:
        yield postgres


@pytest.fixture
def order_id() -> str:
    return str(uuid4())


async def test_events_are_read_as_they_were_appended(store: EventStore, order_id: str) -> None:
    events = history(order_id, 1, 3)
    assert await store.append(order_id, 0, events[:2], command_id=uuid4()) == Appended(2, replayed=False)
    assert await store.append(order_id, 2, events[2:], command_id=uuid4()) == Appended(3, replayed=False)
    assert await store.read(order_id) == events


async def test_a_read_begins_at_the_version_asked_for(store: EventStore, order_id: str) -> None:
    events = history(order_id, 1, 3)
    await store.append(order_id, 0, events, command_id=uuid4())
    assert await store.read(order_id, 3) == events[2:]
    assert await store.read(order_id, 4) == []
    assert await store.read(order_id, 0) == events


@pytest.mark.parametrize("unknown", ["00000000-0000-0000-0000-000000000000", "no order", ""])
async def test_an_unknown_order_has_no_events(store: EventStore, unknown: str) -> None:
    assert await store.read(unknown) == []


@pytest.mark.parametrize("expected", [0, 1, 3, 7])
async def test_another_expected_version_is_refused_and_nothing_is_written(
    store: EventStore, order_id: str, expected: int
) -> None:
    await store.append(order_id, 0, history(order_id, 1, 2), command_id=uuid4())
    refused = uuid4()
    with pytest.raises(ConcurrencyError) as caught:
        await store.append(order_id, expected, history(order_id, expected + 1, expected + 2), command_id=refused)
    assert (caught.value.stream_id, caught.value.expected, caught.value.actual) == (order_id, expected, 2)
    assert len(await store.read(order_id)) == 2
    assert await store.recorded(order_id, command_id=refused) is None


async def test_a_repeated_command_answers_its_first_result_and_writes_nothing(store: EventStore, order_id: str) -> None:
    command_id = uuid4()
    events = history(order_id, 1, 2)
    first = await store.append(order_id, 0, events, command_id=command_id, fingerprint=b"f")
    await store.append(order_id, 2, history(order_id, 3, 3), command_id=uuid4())

    again = await store.append(order_id, 0, events, command_id=command_id, fingerprint=b"f")
    elsewhere = await store.append(order_id, 3, history(order_id, 4, 4), command_id=command_id, fingerprint=b"f")

    assert (first.replayed, again, elsewhere) == (False, Appended(2, replayed=True), Appended(2, replayed=True))
    assert [event.version for event in await store.read(order_id)] == [1, 2, 3]


async def test_a_recorded_command_can_be_asked_for(store: EventStore, order_id: str) -> None:
    command_id = uuid4()
    assert await store.recorded(order_id, command_id=command_id) is None
    await store.append(order_id, 0, history(order_id, 1, 2), command_id=command_id)
    assert await store.recorded(order_id, command_id=command_id) == Appended(2, replayed=True)


@pytest.mark.parametrize(("same_order", "fingerprint"), [(True, b"other"), (False, b"first")])
async def test_a_command_id_of_another_command_is_refused(
    store: EventStore, order_id: str, same_order: bool, fingerprint: bytes
) -> None:
    command_id = uuid4()
    await store.append(order_id, 0, [created(order_id)], command_id=command_id, fingerprint=b"first")
    other = order_id if same_order else str(uuid4())
    with pytest.raises(CommandReusedError):
        await store.append(other, 0, [created(other)], command_id=command_id, fingerprint=fingerprint)
    with pytest.raises(CommandReusedError):
        await store.recorded(other, command_id=command_id, fingerprint=fingerprint)
    assert len(await store.read(order_id)) == 1
    assert other == order_id or await store.read(other) == []


def malformed(case: str, order_id: str) -> tuple[str, int, list[Event]]:
    match case:
        case "no events":
            return order_id, 0, []
        case "too many events":
            return order_id, 0, history(order_id, 1, 1_001)
        case "negative version":
            return order_id, -1, [added(order_id, 0)]
        case "version out of range":
            return order_id, 2**31 - 1, [added(order_id, 2**31)]
        case "another version":
            return order_id, 0, history(order_id, 2, 2)
        case "a gap":
            return order_id, 0, [created(order_id), added(order_id, 3)]
        case "another order":
            return order_id, 0, [created(str(uuid4()))]
        case _:
            return order_id.upper(), 0, [created(order_id.upper())]


@pytest.mark.parametrize(
    "case",
    ["no events", "negative version", "version out of range", "another version", "a gap", "another order", "no UUID"],
)
async def test_events_that_do_not_follow_are_refused(store: EventStore, case: str) -> None:
    order_id = "a" + str(uuid4())[1:]
    given, expected, events = malformed(case, order_id)
    with pytest.raises(AppendFailedError):
        await store.append(given, expected, events, command_id=uuid4())
    assert await store.read(order_id) == []


async def test_of_racing_appends_one_wins_and_the_others_learn_the_version(store: EventStore, order_id: str) -> None:
    await store.append(order_id, 0, [created(order_id)], command_id=uuid4())
    racing = [store.append(order_id, 1, [added(order_id, 2)], command_id=uuid4()) for _ in range(100)]
    outcomes = await asyncio.gather(*racing, return_exceptions=True)

    lost = [outcome for outcome in outcomes if isinstance(outcome, ConcurrencyError)]
    assert [outcome for outcome in outcomes if outcome not in lost] == [Appended(2, replayed=False)]
    assert {(error.expected, error.actual) for error in lost} == {(1, 2)}
    assert len(await store.read(order_id)) == 2


async def test_of_racing_repeats_of_one_command_one_is_appended(store: EventStore, order_id: str) -> None:
    command_id, events = uuid4(), [created(order_id)]
    racing = [store.append(order_id, 0, events, command_id=command_id) for _ in range(20)]
    outcomes = await asyncio.gather(*racing)
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 19
    assert await store.read(order_id) == events


async def test_one_command_id_for_many_orders_at_once_is_taken_by_one(store: EventStore) -> None:
    command_id, orders = uuid4(), [str(uuid4()) for _ in range(8)]
    others = [str(uuid4()) for _ in range(8)]
    outcomes = await asyncio.gather(
        *(store.append(order, 0, [created(order)], command_id=command_id) for order in orders),
        *(store.append(order, 0, [created(order)], command_id=uuid4()) for order in others),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(CommandReusedError) == 7
    assert outcomes[8:] == [Appended(1, replayed=False)] * 8
    assert [len(await store.read(order)) for order in orders].count(1) == 1


async def test_many_orders_are_appended_at_once_each_with_its_own_outcome(store: EventStore) -> None:
    orders = [str(uuid4()) for _ in range(100)]
    stale = set(orders[::3])
    for order in stale:
        await store.append(order, 0, [created(order)], command_id=uuid4())

    async def append(order: str, nth: int) -> int:
        try:
            return (await store.append(order, 0, history(order, 1, 1 + nth % 3), command_id=UUID(order))).version
        except ConcurrencyError as error:
            return -error.actual

    versions = await asyncio.gather(*(append(order, nth) for nth, order in enumerate(orders)))
    assert versions == [-1 if order in stale else 1 + nth % 3 for nth, order in enumerate(orders)]
    for nth, order in enumerate(orders):
        count = 1 if order in stale else 1 + nth % 3
        assert [event.version for event in await store.read(order)] == list(range(1, count + 1))


async def kept(store: EventStore, order_id: str, snapshot: Snapshot) -> list[Event]:
    """The events behind the snapshot, once that is the one which the order is read from."""

    async def behind() -> list[list[Event]]:
        found, events = await store.read_latest(order_id, snapshot.schema)
        return [events] if found == snapshot else []

    [events] = await eventually(behind, "the order is read from the snapshot")
    return events


async def test_a_long_order_is_read_from_its_snapshot_on(store: EventStore, order_id: str) -> None:
    for last in range(1_000, 10_001, 1_000):
        await store.append(order_id, last - 1_000, history(order_id, last - 999, last), command_id=uuid4())
    snapshot = Snapshot(9_900, "form", b"state")
    store.keep(order_id, snapshot)
    events = await kept(store, order_id, snapshot)
    assert [event.version for event in events] == list(range(9_901, 10_001))


async def test_a_snapshot_of_another_schema_is_not_read(store: EventStore, order_id: str) -> None:
    events = history(order_id, 1, 3)
    await store.append(order_id, 0, events, command_id=uuid4())
    old = Snapshot(2, "old form", b"old")
    store.keep(order_id, old)
    assert await kept(store, order_id, old) == events[2:]
    assert await store.read_latest(order_id, "new form") == (None, events)

    new = Snapshot(1, "new form", b"new")
    store.keep(order_id, new)
    assert await kept(store, order_id, new) == events[1:]
    assert await store.read_latest(order_id, "old form") == (None, events)


async def test_an_older_snapshot_never_replaces_a_newer_one(store: EventStore, order_id: str) -> None:
    later = str(uuid4())
    for order in (order_id, later):
        await store.append(order, 0, history(order, 1, 3), command_id=uuid4())
    newer, older = Snapshot(3, "form", b"newer"), Snapshot(2, "form", b"older")
    store.keep(order_id, newer)
    await kept(store, order_id, newer)
    store.keep(order_id, older)
    store.keep(later, older)
    await kept(store, later, older)
    assert await store.read_latest(order_id, "form") == (newer, [])


async def test_an_unknown_order_has_neither_snapshot_nor_events(store: EventStore) -> None:
    for unknown in (str(UUID(int=0)), "no order"):
        assert await store.read_latest(unknown, "form") == (None, [])


async def test_all_events_are_read_page_by_page_each_once(empty_store: EventStore) -> None:
    orders = [str(uuid4()) for _ in range(6)]
    events = [history(order, 1, 1 + nth) for nth, order in enumerate(orders)]
    await asyncio.gather(
        *[
            empty_store.append(order, 0, stream, command_id=uuid4())
            for order, stream in zip(orders, events, strict=True)
        ]
    )
    found = await all_events(empty_store, 21, limit=4)
    assert found == await all_events(empty_store, 21)
    for order, stream in zip(orders, events, strict=True):
        assert [recorded.event for recorded in found if recorded.event.order_id == order] == stream


async def test_what_is_appended_later_comes_behind_all_there_was(empty_store: EventStore, order_id: str) -> None:
    assert await empty_store.read_all() == []
    events = history(order_id, 1, 4)
    await empty_store.append(order_id, 0, events[:2], command_id=uuid4())
    last = (await all_events(empty_store, 2))[-1].position
    assert await empty_store.read_all(last) == []
    await empty_store.append(order_id, 2, events[2:], command_id=uuid4())
    assert [recorded.event for recorded in await all_events(empty_store, 4)] == events
    assert [recorded.event.version for recorded in await empty_store.read_all(last)] == [3, 4]


async def test_what_is_no_position_is_refused(store: EventStore) -> None:
    for after in ("-1", "here", "1/2", f"1/{UUID(int=0)}/-1", f"{2**64}/{UUID(int=0)}/1", f"1/{UUID(int=0)}/{2**31}"):
        with pytest.raises(NoPositionError):
            await store.read_all(after)
