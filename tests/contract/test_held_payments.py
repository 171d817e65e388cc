"""What is held is charged once it is captured, and given back once it is voided: by every payment provider adapter."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from app.domain.calls import Capture, Captured, Charge, Held, Hold, Refund, Refunds, Refused, VoidCharges, Voided
from app.gateways.memory import InMemoryProvider
from app.gateways.ports import CallRejectedError, Provider, ProviderAnswer
from app.gateways.provider import HttpProvider
from app.simulators.planted import REFUSED_PAYMENT
from tests.contract.simulated import SimulatedParty

pytestmark = pytest.mark.anyio

TERMS = {"order_version": 1, "customer_id": "17850", "currency": "GBP", "amount_minor": 1250}


class Account(NamedTuple):
    """What is asked about one order."""

    provider: Provider
    order_id: str

    async def hold(self, **other: Any) -> ProviderAnswer:
        return await self.provider.perform(Hold(order_id=self.order_id, **{**TERMS, **other}))

    async def capture(self) -> ProviderAnswer:
        return await self.provider.perform(Capture(order_id=self.order_id, order_version=1))

    async def void(self) -> ProviderAnswer:
        return await self.provider.perform(VoidCharges(order_id=self.order_id, order_versions=(1,)))


@pytest.fixture(params=["http", "memory"])
async def account(request: pytest.FixtureRequest, order_id: str) -> AsyncIterator[Account]:
    provider: Provider = InMemoryProvider()
    if request.param == "http":
        provider = HttpProvider(request.getfixturevalue("simulated_provider").url, timeout_seconds=10.0)
    yield Account(provider, order_id)
    await provider.close()


async def test_repeated_hold_and_repeated_capture_are_one(account: Account) -> None:
    held = [await account.hold() for _ in range(2)]
    assert isinstance(held[0], Held)
    assert held[0] == held[1]
    assert [await account.capture() for _ in range(2)] == [Captured("GBP", 1250)] * 2
    assert await account.hold() == held[0]


async def test_refused_hold_stays_refused(account: Account) -> None:
    refused = [await account.hold(customer_id=f"{REFUSED_PAYMENT}-7") for _ in range(2)]
    assert isinstance(refused[0], Refused)
    assert refused[0] == refused[1]


async def test_voided_hold_gives_back_nothing_and_cannot_be_captured(account: Account) -> None:
    await account.hold()
    assert [await account.void() for _ in range(2)] == [Refunds(())] * 2
    assert isinstance(await account.capture(), Refused)
    assert await account.hold() == Voided()


async def test_voided_capture_is_refunded_and_again_the_same(account: Account) -> None:
    await account.hold()
    await account.capture()
    assert [await account.void() for _ in range(2)] == [Refunds((Refund(1, "GBP", 1250),))] * 2
    assert isinstance(await account.capture(), Refused)


async def test_nothing_is_captured_that_was_not_held(account: Account) -> None:
    assert isinstance(await account.capture(), Refused)


async def test_key_is_not_held_for_another_amount(account: Account) -> None:
    await account.hold()
    with pytest.raises(CallRejectedError, match="provider"):
        await account.hold(amount_minor=1)


async def test_key_that_is_held_is_not_charged(simulated_provider: SimulatedParty, order_id: str) -> None:
    """Nobody is charged twice for one order version."""
    provider = HttpProvider(simulated_provider.url, timeout_seconds=10.0)
    await Account(provider, order_id).hold()
    with pytest.raises(CallRejectedError, match="held"):
        await provider.perform(Charge(order_id=order_id, **TERMS))  # type: ignore[arg-type]  # as `Hold` takes them
    await provider.close()


async def test_refund_can_be_refused_until_the_fault_is_lifted(
    simulated_provider: SimulatedParty, order_id: str
) -> None:
    provider = HttpProvider(simulated_provider.url, timeout_seconds=10.0)
    account = Account(provider, order_id)
    await account.hold()
    simulated_provider.plant("dispute", match={"order_id": order_id})
    assert await account.void() == Refused("disputed", code="disputed")
    assert [entry["state"] for entry in simulated_provider.entries(order_id)] == ["held"]
    simulated_provider.heal()
    assert await account.void() == Refunds(())
    assert [entry["state"] for entry in simulated_provider.entries(order_id)] == ["released"]
    await provider.close()
