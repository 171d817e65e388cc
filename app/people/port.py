"""What the rest of the system knows of persons: their keys, and what was sealed with them."""

from collections.abc import Collection
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from app.errors import TransientError
from app.people.sealing import PersonKey

State: TypeAlias = Literal["none", "readable", "erased"]


class PeopleUnavailableError(TransientError):
    """PostgreSQL did not say who a person is; nothing was sealed, opened or erased."""


class PersonalData(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets the order, and where. `none`: nothing was given; `erased`: what was given cannot be read any more."""

    state: State = "none"
    customer_name: str = ""
    delivery_address: str = ""

    def __repr__(self) -> str:
        return f"PersonalData({self.state}, ***)"


class PersonKeys(Protocol):
    """The keys that there are. Nothing of them is remembered between two calls: an erased one is gone at once."""

    async def of(self, customer_id: str) -> PersonKey:
        """The key of this person, made when it is first asked for."""
        ...

    async def named(self, ids: Collection[UUID]) -> dict[UUID, PersonKey]:
        """Those of these keys that are still there."""
        ...


class Recipients(Protocol):
    """Who gets an order."""

    async def of(self, order_id: str) -> PersonalData:
        """As it can be read now."""
        ...

    async def close(self) -> None: ...
