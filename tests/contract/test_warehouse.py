"""What every warehouse adapter holds to."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from app.domain.calls import Refused, Released, ReleaseStock, Reserve, Reserved, VoidCharges, Voided
from app.domain.events import Item
from app.gateways.memory import InMemoryWarehouse
from app.gateways.ports import CallRejectedError, Warehouse
from app.gateways.warehouse import PostgresWarehouse

pytestmark = pytest.mark.anyio

# in every order of comparison that a database might use, A comes before b and é
FIRST, SECOND, LAST = "A-first", "b-second", "é-last"


@pytest.fixture(params=["postgres", "memory"])
async def warehouse(request: pytest.FixtureRequest) -> AsyncIterator[Warehouse]:
    warehouse: Warehouse = InMemoryWarehouse()
    if request.param == "postgres":
        warehouse = PostgresWarehouse(request.getfixturevalue("database"), timeout_seconds=10.0)
    await warehouse.receive("opening", [(FIRST, 10), (SECOND, 10), (LAST, 10)])
    yield warehouse
    await warehouse.close()


def reserve(order_id: str, version: int = 1, *lines: tuple[str, int]) -> Reserve:
    items = tuple(Item(sku=sku, quantity=quantity, unit_price_minor=100) for sku, quantity in lines)
    return Reserve(order_id=order_id, order_version=version, items=items)


def release(order_id: str, *versions: int) -> ReleaseStock:
    return ReleaseStock(order_id=order_id, order_versions=versions)


async def left(warehouse: Warehouse, sku: str) -> int:
    """How much of it can still be reserved, found by reserving and giving back."""
    order_id = str(uuid4())
    for version in range(1, 100):
        if await warehouse.perform(reserve(order_id, version, (sku, 1))) != Reserved():
            await warehouse.perform(release(order_id, *range(1, version + 1)))
            return version - 1
    raise AssertionError("more than the tests ever put in")


async def test_reservation_takes_every_line(warehouse: Warehouse, order_id: str) -> None:
    assert await warehouse.perform(reserve(order_id, 1, (FIRST, 4), (SECOND, 10))) == Reserved()
    assert [await left(warehouse, sku) for sku in (FIRST, SECOND, LAST)] == [6, 0, 10]


async def test_repeated_reservation_takes_nothing_more(warehouse: Warehouse, order_id: str) -> None:
    for _ in range(3):
        assert await warehouse.perform(reserve(order_id, 1, (FIRST, 4))) == Reserved()
    assert await left(warehouse, FIRST) == 6


async def test_reservations_of_one_key_at_once_take_once(warehouse: Warehouse, order_id: str) -> None:
    answers = await asyncio.gather(*(warehouse.perform(reserve(order_id, 1, (FIRST, 4))) for _ in range(20)))
    assert set(answers) == {Reserved()}
    assert await left(warehouse, FIRST) == 6


async def test_all_lines_are_reserved_or_none(warehouse: Warehouse, order_id: str) -> None:
    asked = reserve(order_id, 1, (FIRST, 1), (LAST, 11), (SECOND, 1))
    assert await warehouse.perform(asked) == Refused("out-of-stock", LAST, "out_of_stock")
    assert [await left(warehouse, sku) for sku in (FIRST, SECOND, LAST)] == [10, 10, 10]


async def test_lines_of_one_sku_are_summed(warehouse: Warehouse, order_id: str) -> None:
    assert await warehouse.perform(reserve(order_id, 1, (FIRST, 6), (FIRST, 5))) == Refused(
        "out-of-stock", FIRST, "out_of_stock"
    )
    assert await warehouse.perform(reserve(order_id, 2, (FIRST, 6), (FIRST, 4))) == Reserved()


async def test_unknown_sku_is_refused_by_name(warehouse: Warehouse, order_id: str) -> None:
    asked = reserve(order_id, 1, (FIRST, 1), ("never-received", 1))
    assert await warehouse.perform(asked) == Refused("unknown-sku", "never-received", "unknown_sku")


async def test_first_refusing_sku_in_order_is_named(warehouse: Warehouse, order_id: str) -> None:
    asked = reserve(order_id, 1, ("é-unknown", 1), (SECOND, 11), (FIRST, 1))
    assert await warehouse.perform(asked) == Refused("out-of-stock", SECOND, "out_of_stock")


async def test_refusal_stands_when_stock_comes_later(warehouse: Warehouse, order_id: str) -> None:
    asked = reserve(order_id, 1, (FIRST, 11))
    first = await warehouse.perform(asked)
    await warehouse.receive("more", [(FIRST, 5)])
    assert await warehouse.perform(asked) == first == Refused("out-of-stock", FIRST, "out_of_stock")


async def test_release_gives_back_and_names_what_was_reserved(warehouse: Warehouse, order_id: str) -> None:
    await warehouse.perform(reserve(order_id, 3, (FIRST, 1)))
    await warehouse.perform(reserve(order_id, 1, (FIRST, 2), (SECOND, 2)))
    assert await warehouse.perform(release(order_id, 3, 2, 1)) == Released((1, 3))
    assert [await left(warehouse, sku) for sku in (FIRST, SECOND)] == [10, 10]


async def test_repeated_release_gives_back_once_and_answers_the_same(warehouse: Warehouse, order_id: str) -> None:
    await warehouse.perform(reserve("another", 1, (FIRST, 5)))
    await warehouse.perform(reserve(order_id, 1, (FIRST, 5)))
    for _ in range(3):
        assert await warehouse.perform(release(order_id, 1, 2)) == Released((1,))
    assert await left(warehouse, FIRST) == 5


async def test_released_key_never_reserves(warehouse: Warehouse, order_id: str) -> None:
    await warehouse.perform(reserve(order_id, 1, (FIRST, 1)))
    assert await warehouse.perform(release(order_id, 1, 2)) == Released((1,))
    assert await warehouse.perform(reserve(order_id, 1, (FIRST, 1))) == Voided()
    assert await warehouse.perform(reserve(order_id, 2, (FIRST, 1))) == Voided()
    assert await warehouse.perform(release(order_id, 2)) == Released(())


async def test_refused_key_that_was_released_is_voided(warehouse: Warehouse, order_id: str) -> None:
    asked = reserve(order_id, 1, (FIRST, 11))
    await warehouse.perform(asked)
    assert await warehouse.perform(release(order_id, 1)) == Released(())
    assert await warehouse.perform(asked) == Voided()


async def test_reservation_and_release_at_once_leave_nothing_reserved(warehouse: Warehouse, order_id: str) -> None:
    lines = ((LAST, 1), (FIRST, 1), (SECOND, 1))
    asked = [reserve(order_id, version, *lines) for version in range(1, 9)]
    undone = [release(order_id, *range(1, version + 1)) for version in range(1, 9)]
    await asyncio.gather(*map(warehouse.perform, [call for pair in zip(asked, undone, strict=True) for call in pair]))
    assert [await left(warehouse, sku) for sku in (FIRST, SECOND, LAST)] == [10, 10, 10]


async def test_no_more_is_reserved_at_once_than_is_there(warehouse: Warehouse) -> None:
    lines = [((FIRST, 1), (SECOND, 1)), ((SECOND, 1), (FIRST, 1))]
    asked = [reserve(str(uuid4()), 1, *lines[number % 2]) for number in range(40)]
    answers = await asyncio.gather(*map(warehouse.perform, asked))
    assert answers.count(Reserved()) == 10
    assert answers.count(Refused("out-of-stock", FIRST, "out_of_stock")) == 30


async def test_receipt_counts_once(warehouse: Warehouse) -> None:
    assert await warehouse.receive("delivery-1", [(FIRST, 1), ("new", 3), (FIRST, 2)])
    assert not await warehouse.receive("delivery-1", [(FIRST, 1), ("new", 3), (FIRST, 2)])
    assert [await left(warehouse, sku) for sku in (FIRST, "new")] == [13, 3]


async def test_order_of_500_lines_is_reserved_and_released(warehouse: Warehouse, order_id: str) -> None:
    lines = [(f"sku-{number % 480}", 2) for number in range(500)]
    await warehouse.receive("wide", [(sku, 4) for sku, _ in lines])
    assert await warehouse.perform(reserve(order_id, 1, *lines)) == Reserved()
    assert await left(warehouse, "sku-0") == 4
    assert await warehouse.perform(release(order_id, 1)) == Released((1,))
    assert await left(warehouse, "sku-0") == 8


async def test_used_key_does_not_reserve_other_lines(warehouse: Warehouse, order_id: str) -> None:
    await warehouse.perform(reserve(order_id, 1, (FIRST, 1)))
    with pytest.raises(CallRejectedError, match="was used with"):
        await warehouse.perform(reserve(order_id, 1, (FIRST, 1), (SECOND, 1)))


@pytest.mark.parametrize("quantity", [0, -1])
async def test_quantity_that_is_not_above_zero_is_rejected(warehouse: Warehouse, order_id: str, quantity: int) -> None:
    with pytest.raises(CallRejectedError):
        await warehouse.perform(reserve(order_id, 1, (FIRST, 2), (FIRST, quantity)))
    with pytest.raises(CallRejectedError):
        await warehouse.receive("odd", [(FIRST, 2), (FIRST, quantity)])


async def test_call_of_another_party_is_rejected(warehouse: Warehouse, order_id: str) -> None:
    with pytest.raises(CallRejectedError, match="VoidCharges"):
        await warehouse.perform(VoidCharges(order_id=order_id, order_versions=(1,)))
