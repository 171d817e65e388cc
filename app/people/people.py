"""Seals the personal data of a new order, and opens that of a stored one."""

import msgspec

from app.people.port import PersonalData, PersonKeys
from app.people.sealing import key_id

NAME, ADDRESS = "customer_name", "delivery_address"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What an order carries of its personal data. `mark` tells whether two orders of a person were given the same."""

    customer_name: str = ""
    delivery_address: str = ""
    mark: str = ""


class People:
    """Asks for the key each time: whoever is erased is unreadable from then on."""

    def __init__(self, keys: PersonKeys) -> None:
        self._keys = keys

    async def seal(self, order_id: str, customer_id: str, *, customer_name: str, delivery_address: str) -> Sealed:
        """For this order only; nothing, and no key, where nothing is given."""
        if not customer_name and not delivery_address:
            return Sealed()
        key = await self._keys.of(customer_id)
        return Sealed(
            customer_name=customer_name and key.seal(customer_name, _place(order_id, NAME)),
            delivery_address=delivery_address and key.seal(delivery_address, _place(order_id, ADDRESS)),
            mark=key.mark(f"{customer_name}\n{delivery_address}"),
        )

    async def open(self, order_id: str, *, customer_name: str, delivery_address: str) -> PersonalData:
        """What was sealed for this order; a `BrokenSealError` when it was not."""
        sealed = {name: text for name, text in ((NAME, customer_name), (ADDRESS, delivery_address)) if text}
        if not sealed:
            return PersonalData()
        wanted = {name: key_id(text) for name, text in sealed.items()}
        keys = await self._keys.named(set(wanted.values()))
        if keys.keys() != set(wanted.values()):
            return PersonalData(state="erased")
        opened = {name: keys[wanted[name]].unseal(text, _place(order_id, name)) for name, text in sealed.items()}
        return PersonalData(state="readable", **opened)


def _place(order_id: str, field: str) -> str:
    return f"{order_id} {field}"
