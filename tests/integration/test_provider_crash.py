"""A provider killed at any moment: its ledger holds what it answered, and each key once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from app.domain.calls import Charge, Charged, Refund, Refunds, VoidCharges
from app.gateways.ports import PartyUnavailableError, Provider
from app.gateways.provider import HttpProvider
from tests.contract.simulated import SimulatedParty, running

pytestmark = pytest.mark.anyio

KILLS = 5
CHARGES_BETWEEN = 150
CALLERS = 16


@pytest.fixture
def party(tmp_path: Path) -> Iterator[SimulatedParty]:
    with running("provider", tmp_path) as party:
        yield party


class Callers:
    """Charge order after order, repeating each call until it is answered; void every third order afterwards."""

    def __init__(self, provider: Provider, seed: int) -> None:
        self._provider = provider
        self._random = Random(seed)
        self.serving = asyncio.Event()
        self.charged: dict[str, str] = {}
        self.refunded: set[str] = set()
        self.stopping = False
        self.progress = asyncio.Condition()

    async def run(self) -> None:
        while not self.stopping:
            order_id = str(UUID(int=self._random.getrandbits(128)))
            answer = await self._answered(
                Charge(order_id=order_id, order_version=1, customer_id="17850", currency="GBP", amount_minor=100)
            )
            assert isinstance(answer, Charged)
            self.charged[order_id] = answer.payment_id
            if self._random.random() < 1 / 3:
                answer = await self._answered(VoidCharges(order_id=order_id, order_versions=(1,)))
                assert answer == Refunds((Refund(1, "GBP", 100),))
                self.refunded.add(order_id)
            async with self.progress:
                self.progress.notify_all()

    async def until_charged(self, count: int) -> None:
        async with self.progress:
            await self.progress.wait_for(lambda: len(self.charged) >= count)

    async def _answered(self, call: Charge | VoidCharges) -> object:
        while True:
            await self.serving.wait()
            try:
                return await self._provider.perform(call)
            except PartyUnavailableError:
                continue


async def test_ledger_equals_the_answers_after_kills_in_mid_charge(party: SimulatedParty) -> None:
    provider = HttpProvider(party.url, timeout_seconds=10.0)
    callers = Callers(provider, seed=7)
    callers.serving.set()
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(callers.run())
        for kill in range(1, KILLS + 1):
            await callers.until_charged(kill * CHARGES_BETWEEN)
            callers.serving.clear()
            await asyncio.to_thread(party.kill)
            callers.serving.set()
        await callers.until_charged((KILLS + 1) * CHARGES_BETWEEN)
        callers.stopping = True
    await provider.close()

    entries = party.entries()
    assert {entry["order_id"]: entry["payment_id"] for entry in entries} == callers.charged
    assert {entry["order_id"] for entry in entries if entry["state"] == "refunded"} == callers.refunded
    assert {entry["state"] for entry in entries} == {"charged", "refunded"}
    assert len(entries) == len(callers.charged)
