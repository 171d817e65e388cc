"""Commands on an in-memory store: repeated ones have effect once, stale ones are told where the order stands."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.commands import service
from app.commands.decisions import Decisions
from app.commands.service import Commands, ContendedError, Request
from app.domain.calls import Cancel, Charge, Confirm, Decided, Superseded
from app.domain.events import Event, Item, ItemAdded, OrderCancelled, OrderConfirmed, OrderCreated
from app.domain.orders import (
    AddItem,
    CancelOrder,
    Command,
    CreateOrder,
    OrderEndedError,
    OrderExistsError,
    UnknownOrderError,
)
from app.errors import ConcurrencyError, PermanentError
from app.eventstore.memory import MemoryEventStore
from app.eventstore.port import Appended, CommandReusedError

pytestmark = pytest.mark.anyio

ORDER = "7b0d1d1e-54a5-4f6c-8f0e-3a4c5d6e7f80"
ITEM = Item(sku="tea", quantity=2, unit_price_minor=150)
CREATE = CreateOrder(order_id=ORDER, customer_id="ada", currency="GBP", items=(ITEM,))
ADD = AddItem(order_id=ORDER, item=ITEM)
CANCEL = CancelOrder(order_id=ORDER, reason="changed my mind")


class Shop:
    """A store and the commands sent to it; `kinds` is what came of them."""

    def __init__(self) -> None:
        self.store = MemoryEventStore()
        self.commands = Commands(self.store, lambda: 1_000_000)

    async def send(
        self, command: Command, key: UUID | None = None, expected: int | None = None, fingerprint: bytes = b""
    ) -> tuple[int, bool]:
        command_id = key or uuid4()
        handled = await self.commands.handle(
            Request(
                command=command,
                command_id=command_id,
                causation_id=str(command_id),
                expected=expected,
                fingerprint=fingerprint,
            )
        )
        return handled.order.version, handled.replayed

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.store.outbox]


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_a_command_appends_the_events_that_the_rules_decide(shop: Shop) -> None:
    assert await shop.send(CREATE) == (1, False)
    assert await shop.send(ADD) == (2, False)
    assert await shop.send(CANCEL) == (3, False)
    assert shop.kinds() == [OrderCreated, ItemAdded, OrderCancelled]


@pytest.mark.parametrize("command", [CREATE, ADD, CANCEL])
async def test_a_repeated_command_answers_its_first_result(shop: Shop, command: Command) -> None:
    key = uuid4()
    if command is not CREATE:
        await shop.send(CREATE)
    version, _ = await shop.send(command, key)
    before = shop.kinds()
    assert await shop.send(command, key) == (version, True)
    assert shop.kinds() == before


async def test_a_repeated_command_shows_the_order_as_it_was_then(shop: Shop) -> None:
    key = uuid4()
    await shop.send(CREATE, key)
    await shop.send(ADD)
    request = Request(command=CREATE, command_id=key, causation_id=str(key))
    handled = await shop.commands.handle(request)
    assert (handled.order.version, handled.order.total_minor) == (1, 300)


async def test_a_repeated_command_is_known_however_the_order_moved_on(shop: Shop) -> None:
    key = uuid4()
    await shop.send(CREATE)
    await shop.send(ADD, key, expected=1)
    await shop.send(CANCEL)
    assert await shop.send(ADD, key, expected=1) == (2, True)


async def test_a_key_with_another_command_is_refused(shop: Shop) -> None:
    key = uuid4()
    await shop.send(CREATE, fingerprint=b"create")
    await shop.send(ADD, key, fingerprint=b"add")
    with pytest.raises(CommandReusedError):
        await shop.send(CANCEL, key, fingerprint=b"cancel")


async def test_a_stale_expectation_names_both_versions(shop: Shop) -> None:
    await shop.send(CREATE)
    await shop.send(ADD)
    with pytest.raises(ConcurrencyError) as caught:
        await shop.send(ADD, expected=1)
    assert (caught.value.expected, caught.value.actual) == (1, 2)


async def test_a_stale_expectation_comes_before_the_rules(shop: Shop) -> None:
    await shop.send(CREATE)
    await shop.send(CANCEL)
    with pytest.raises(ConcurrencyError):
        await shop.send(CANCEL, expected=1)
    with pytest.raises(OrderEndedError):
        await shop.send(CANCEL, expected=2)


async def test_racing_commands_without_expectation_all_take_effect(shop: Shop) -> None:
    await shop.send(CREATE)
    results = await asyncio.gather(*(shop.send(ADD) for _ in range(50)))
    assert sorted(version for version, _ in results) == list(range(2, 52))


async def test_racing_commands_with_one_expectation_leave_one_winner(shop: Shop) -> None:
    await shop.send(CREATE)
    racers = (shop.send(ADD, expected=1) for _ in range(50))
    results = await asyncio.gather(*racers, return_exceptions=True)
    lost = [result for result in results if isinstance(result, ConcurrencyError)]
    assert len(lost) == 49
    assert {(error.expected, error.actual) for error in lost} == {(1, 2)}


async def test_an_order_is_created_once(shop: Shop) -> None:
    await shop.send(CREATE)
    with pytest.raises(OrderExistsError):
        await shop.send(CREATE)


async def test_an_order_that_nobody_created_is_unknown(shop: Shop) -> None:
    with pytest.raises(UnknownOrderError):
        await shop.send(ADD, expected=3)
    with pytest.raises(UnknownOrderError):
        await shop.commands.order(ORDER)


class Busy(MemoryEventStore):
    """Another process adds an item between every read of an order and the append that follows."""

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        events = await super().read(order_id, from_version)
        if events:
            last = len(events)
            key = uuid4()
            added = ItemAdded(
                event_id=str(key),
                order_id=order_id,
                version=last + 1,
                occurred_at=0,
                correlation_id=str(key),
                causation_id=str(key),
                customer_id="ada",
                currency="GBP",
                item=ITEM,
                fulfilment="choreography",
            )
            await self.append(order_id, last, [added], command_id=key)
        return events


async def test_an_order_that_never_stands_still_is_left_for_later(shop: Shop) -> None:
    shop.commands = Commands(Busy(), lambda: 1_000_000)
    await shop.send(CREATE)
    with pytest.raises(ContendedError):
        await shop.send(ADD)


class Silent(MemoryEventStore):
    """Does not answer a read until `answering`."""

    def __init__(self) -> None:
        super().__init__()
        self.answering = asyncio.Event()

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        await self.answering.wait()
        return await super().read(order_id, from_version)


async def test_a_command_does_not_wait_for_its_turn_without_limit(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    monkeypatch.setattr(service, "TURN_LIMIT_SECONDS", 0.01)
    store = Silent()
    shop.commands = Commands(store, lambda: 1_000_000)
    await shop.send(CREATE)
    first = asyncio.create_task(shop.send(ADD))
    await asyncio.sleep(0)
    with pytest.raises(ContendedError):
        await shop.send(ADD)
    store.answering.set()
    assert await first == (2, False)
    assert await shop.send(ADD) == (3, False)


CAUSE = str(uuid4())


def confirm(version: int, cause: str = CAUSE) -> Confirm:
    return Confirm(order_id=ORDER, order_version=version, causation_id=cause, correlation_id=CAUSE)


def cancel(cause: str = CAUSE) -> Cancel:
    return Cancel(order_id=ORDER, reason="out of stock", causation_id=cause, correlation_id=CAUSE)


async def test_an_order_is_confirmed_at_its_version(shop: Shop) -> None:
    await shop.send(CREATE)
    decisions = Decisions(shop.commands)
    assert await decisions.perform(confirm(1)) == Decided(2)
    assert await decisions.perform(confirm(1)) == Decided(2)
    assert shop.kinds() == [OrderCreated, OrderConfirmed]
    assert shop.store.outbox[1].causation_id == CAUSE


async def test_a_newer_item_supersedes_a_confirmation(shop: Shop) -> None:
    await shop.send(CREATE)
    await shop.send(ADD)
    assert await Decisions(shop.commands).perform(confirm(1)) == Superseded(2)


async def test_an_order_is_cancelled_at_whatever_version_it_has(shop: Shop) -> None:
    await shop.send(CREATE)
    await shop.send(ADD)
    decisions = Decisions(shop.commands)
    assert await decisions.perform(cancel()) == Decided(3)
    assert await decisions.perform(cancel()) == Decided(3)


async def test_an_order_that_has_ended_supersedes_a_cancel(shop: Shop) -> None:
    await shop.send(CREATE)
    await shop.send(CANCEL)
    assert await Decisions(shop.commands).perform(cancel()) == Superseded(2)


async def test_a_cause_that_confirmed_does_not_claim_to_have_cancelled(shop: Shop) -> None:
    await shop.send(CREATE)
    decisions = Decisions(shop.commands)
    await decisions.perform(confirm(1))
    assert await decisions.perform(cancel()) == Superseded(2)


class Forgetful(MemoryEventStore):
    """Has no results of commands any more."""

    async def recorded(self, order_id: str, *, command_id: UUID, fingerprint: bytes = b"") -> Appended | None:
        return None


@pytest.mark.parametrize("call", [confirm(1), cancel()], ids=["confirm", "cancel"])
async def test_a_decision_whose_result_has_expired_is_known_by_its_event(shop: Shop, call: Confirm | Cancel) -> None:
    shop.store = Forgetful()
    shop.commands = Commands(shop.store, lambda: 1_000_000)
    await shop.send(CREATE)
    decisions = Decisions(shop.commands)
    assert [await decisions.perform(call), await decisions.perform(call)] == [Decided(2), Decided(2)]
    another = str(uuid4())
    assert await decisions.perform(confirm(1, another)) == await decisions.perform(cancel(another)) == Superseded(2)


async def test_calls_of_another_party_are_refused_for_good(shop: Shop) -> None:
    call = Charge(order_id=ORDER, order_version=1, customer_id="ada", currency="GBP", amount_minor=1)
    with pytest.raises(PermanentError, match="Charge"):
        await Decisions(shop.commands).perform(call)
