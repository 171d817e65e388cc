"""What every payment provider adapter holds to."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.domain.calls import Charge, Charged, Refund, Refunds, Refused, Schedule, VoidCharges, Voided
from app.gateways.memory import InMemoryProvider
from app.gateways.ports import CallRejectedError, Provider
from app.gateways.provider import HttpProvider
from app.simulators.planted import REFUSED_PAYMENT

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["http", "memory"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    provider: Provider = InMemoryProvider()
    if request.param == "http":
        provider = HttpProvider(request.getfixturevalue("simulated_provider").url, timeout_seconds=10.0)
    yield provider
    await provider.close()


def charge(order_id: str, version: int = 1, amount: int = 1250, customer_id: str = "17850") -> Charge:
    return Charge(
        order_id=order_id, order_version=version, customer_id=customer_id, currency="GBP", amount_minor=amount
    )


def void(order_id: str, *versions: int) -> VoidCharges:
    return VoidCharges(order_id=order_id, order_versions=versions)


async def test_repeated_charge_is_the_same_payment(provider: Provider, order_id: str) -> None:
    first = await provider.perform(charge(order_id))
    assert isinstance(first, Charged)
    assert first.payment_id
    assert await provider.perform(charge(order_id)) == first


async def test_charges_of_one_key_at_once_are_one_payment(provider: Provider, order_id: str) -> None:
    answers = await asyncio.gather(*(provider.perform(charge(order_id)) for _ in range(20)))
    assert len(set(answers)) == 1


async def test_each_order_version_is_a_payment_of_its_own(provider: Provider, order_id: str) -> None:
    assert await provider.perform(charge(order_id, 1)) != await provider.perform(charge(order_id, 2))


async def test_void_gives_back_what_was_charged_by_version(provider: Provider, order_id: str) -> None:
    for version in (3, 1, 2):
        await provider.perform(charge(order_id, version, amount=100 * version))
    assert await provider.perform(void(order_id, 3, 1)) == Refunds((Refund(1, "GBP", 100), Refund(3, "GBP", 300)))


async def test_repeated_void_answers_the_same_refunds(provider: Provider, order_id: str) -> None:
    await provider.perform(charge(order_id))
    first = await provider.perform(void(order_id, 1, 2))
    assert first == Refunds((Refund(1, "GBP", 1250),))
    assert await provider.perform(void(order_id, 2, 1, 1)) == first


async def test_voided_key_is_never_charged(provider: Provider, order_id: str) -> None:
    assert await provider.perform(void(order_id, 1)) == Refunds(())
    assert await provider.perform(charge(order_id)) == Voided()
    assert await provider.perform(void(order_id, 1)) == Refunds(())


async def test_refunded_key_is_never_charged_again(provider: Provider, order_id: str) -> None:
    await provider.perform(charge(order_id))
    await provider.perform(void(order_id, 1))
    assert await provider.perform(charge(order_id)) == Voided()


async def test_void_leaves_other_versions_charged(provider: Provider, order_id: str) -> None:
    kept = await provider.perform(charge(order_id, 2))
    await provider.perform(void(order_id, 1))
    assert await provider.perform(charge(order_id, 2)) == kept


async def test_charge_and_void_at_once_leave_nothing_charged(provider: Provider, order_id: str) -> None:
    versions = range(1, 21)
    calls = [call for version in versions for call in (charge(order_id, version), void(order_id, version))]
    await asyncio.gather(*map(provider.perform, calls))
    answers = [await provider.perform(charge(order_id, version)) for version in versions]
    assert set(answers) == {Voided()}


async def test_refusal_stands_until_the_key_is_voided(provider: Provider, order_id: str) -> None:
    refused = charge(order_id, customer_id=f"{REFUSED_PAYMENT}-7")
    first = await provider.perform(refused)
    assert isinstance(first, Refused)
    assert first.reason
    assert await provider.perform(refused) == first
    assert await provider.perform(void(order_id, 1)) == Refunds(())
    assert await provider.perform(refused) == Voided()


async def test_used_key_is_not_charged_another_amount(provider: Provider, order_id: str) -> None:
    await provider.perform(charge(order_id))
    with pytest.raises(CallRejectedError, match="provider"):
        await provider.perform(charge(order_id, amount=1))


async def test_negative_amount_is_rejected(provider: Provider, order_id: str) -> None:
    with pytest.raises(CallRejectedError):
        await provider.perform(charge(order_id, amount=-1))


async def test_call_of_another_party_is_rejected(provider: Provider, order_id: str) -> None:
    with pytest.raises(CallRejectedError, match="Schedule"):
        await provider.perform(Schedule(order_id=order_id, order_version=1, customer_id="17850"))
