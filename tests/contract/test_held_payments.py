"""What is held is charged once it is captured, and given back once it is voided: by the provider in memory, so far."""

import pytest

from app.domain.calls import Capture, Captured, Held, Hold, Refund, Refunds, Refused, VoidCharges, Voided
from app.gateways.memory import InMemoryProvider
from app.gateways.ports import CallRejectedError
from app.simulators.planted import REFUSED_PAYMENT

pytestmark = pytest.mark.anyio

ORDER_ID = "order-1"
CAPTURE = Capture(order_id=ORDER_ID, order_version=1)
VOID = VoidCharges(order_id=ORDER_ID, order_versions=(1,))


def hold(customer_id: str = "17850", amount: int = 1250) -> Hold:
    return Hold(order_id=ORDER_ID, order_version=1, customer_id=customer_id, currency="GBP", amount_minor=amount)


@pytest.fixture
def provider() -> InMemoryProvider:
    return InMemoryProvider()


async def test_repeated_hold_and_repeated_capture_are_one(provider: InMemoryProvider) -> None:
    held = [await provider.perform(hold()) for _ in range(2)]
    assert isinstance(held[0], Held)
    assert held[0] == held[1]
    assert [await provider.perform(CAPTURE) for _ in range(2)] == [Captured("GBP", 1250)] * 2
    assert len(provider.captured) == 1


async def test_refused_hold_stays_refused(provider: InMemoryProvider) -> None:
    refused = [await provider.perform(hold(f"{REFUSED_PAYMENT}-7")) for _ in range(2)]
    assert isinstance(refused[0], Refused)
    assert refused[0] == refused[1]


async def test_voided_hold_gives_back_nothing_and_cannot_be_captured(provider: InMemoryProvider) -> None:
    await provider.perform(hold())
    assert await provider.perform(VOID) == Refunds(())
    assert isinstance(await provider.perform(CAPTURE), Refused)
    assert await provider.perform(hold()) == Voided()


async def test_voided_capture_is_refunded_and_again_the_same(provider: InMemoryProvider) -> None:
    await provider.perform(hold())
    await provider.perform(CAPTURE)
    assert [await provider.perform(VOID) for _ in range(2)] == [Refunds((Refund(1, "GBP", 1250),))] * 2
    assert provider.holds.standing == {}


async def test_nothing_is_captured_that_was_not_held(provider: InMemoryProvider) -> None:
    assert isinstance(await provider.perform(CAPTURE), Refused)


async def test_key_is_not_held_for_another_amount(provider: InMemoryProvider) -> None:
    await provider.perform(hold())
    with pytest.raises(CallRejectedError, match="provider"):
        await provider.perform(hold(amount=1))
