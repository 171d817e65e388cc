"""Keys of persons in memory, and recipients that a test chooses."""

from collections.abc import Collection
from uuid import UUID

from app.people.port import PersonalData
from app.people.sealing import PersonKey, new_key


class MemoryPersonKeys:
    """`PersonKeys`, gone with the test."""

    def __init__(self) -> None:
        self.by_customer: dict[str, PersonKey] = {}

    async def of(self, customer_id: str) -> PersonKey:
        return self.by_customer.setdefault(customer_id, new_key())

    async def named(self, ids: Collection[UUID]) -> dict[UUID, PersonKey]:
        return {key.id: key for key in self.by_customer.values() if key.id in ids}


class ChosenRecipients:
    """`Recipients` of which nobody gave anything, but those that are in `chosen`, by order."""

    def __init__(self) -> None:
        self.chosen: dict[str, PersonalData] = {}

    async def of(self, order_id: str) -> PersonalData:
        return self.chosen.get(order_id, PersonalData())

    async def close(self) -> None:
        """Nothing to give back."""
