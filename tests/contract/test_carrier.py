"""What every carrier adapter holds to."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.domain.calls import (
    CancelDeliveries,
    CancelledDeliveries,
    CancelledDelivery,
    Refused,
    Schedule,
    Scheduled,
    VoidCharges,
    Voided,
)
from app.gateways.carrier import HttpCarrier
from app.gateways.memory import InMemoryCarrier
from app.gateways.ports import CallRejectedError, Carrier
from app.simulators.planted import REFUSED_DELIVERY

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["http", "memory"])
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    carrier: Carrier = InMemoryCarrier()
    if request.param == "http":
        carrier = HttpCarrier(request.getfixturevalue("simulated_carrier").url, timeout_seconds=10.0)
    yield carrier
    await carrier.close()


def schedule(order_id: str, version: int = 1, customer_id: str = "17850") -> Schedule:
    return Schedule(order_id=order_id, order_version=version, customer_id=customer_id)


def cancel(order_id: str, *versions: int) -> CancelDeliveries:
    return CancelDeliveries(order_id=order_id, order_versions=versions)


async def scheduled(carrier: Carrier, order_id: str, version: int) -> str:
    answer = await carrier.perform(schedule(order_id, version))
    assert isinstance(answer, Scheduled)
    return answer.delivery_id


async def test_repeated_schedule_is_the_same_delivery(carrier: Carrier, order_id: str) -> None:
    first = await scheduled(carrier, order_id, 1)
    assert first
    assert await scheduled(carrier, order_id, 1) == first


async def test_schedules_of_one_key_at_once_are_one_delivery(carrier: Carrier, order_id: str) -> None:
    answers = await asyncio.gather(*(carrier.perform(schedule(order_id)) for _ in range(20)))
    assert len(set(answers)) == 1


async def test_cancel_names_the_deliveries_by_version(carrier: Carrier, order_id: str) -> None:
    second, first = await scheduled(carrier, order_id, 2), await scheduled(carrier, order_id, 1)
    expected = CancelledDeliveries((CancelledDelivery(1, first), CancelledDelivery(2, second)))
    assert await carrier.perform(cancel(order_id, 2, 1, 3)) == expected
    assert await carrier.perform(cancel(order_id, 1, 2)) == expected


async def test_cancelled_key_is_never_scheduled(carrier: Carrier, order_id: str) -> None:
    await scheduled(carrier, order_id, 1)
    await carrier.perform(cancel(order_id, 1, 2))
    assert await carrier.perform(schedule(order_id, 1)) == Voided()
    assert await carrier.perform(schedule(order_id, 2)) == Voided()


async def test_refusal_stands_until_the_key_is_cancelled(carrier: Carrier, order_id: str) -> None:
    refused = schedule(order_id, customer_id=f"{REFUSED_DELIVERY}-7")
    first = await carrier.perform(refused)
    assert isinstance(first, Refused)
    assert first.reason
    assert await carrier.perform(refused) == first
    assert await carrier.perform(cancel(order_id, 1)) == CancelledDeliveries(())
    assert await carrier.perform(refused) == Voided()


async def test_used_key_is_not_scheduled_for_another_customer(carrier: Carrier, order_id: str) -> None:
    await scheduled(carrier, order_id, 1)
    with pytest.raises(CallRejectedError, match="carrier"):
        await carrier.perform(schedule(order_id, customer_id="13047"))


async def test_call_of_another_party_is_rejected(carrier: Carrier, order_id: str) -> None:
    with pytest.raises(CallRejectedError, match="VoidCharges"):
        await carrier.perform(VoidCharges(order_id=order_id, order_versions=(1,)))
