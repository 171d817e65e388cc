"""The orders that the scripts place: what is sent for each, and the ids that make sending it twice harmless."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID, uuid5

import msgspec

from app.domain.events import Item
from app.domain.fields import Fulfilment

# sku that the scripts never receive: an order with it is refused by the warehouse
OUT_OF_STOCK = "out-of-stock"

_ORDERS = UUID("6f7264e7-2f6c-5f77-8f72-6465722d6964")


class PlannedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to place, then items to add to it and perhaps its cancel, each while it is pending.

    `placed_at` is RFC 3339 in UTC. With `twice` every command of the order is sent twice at once.
    """

    order_id: str
    customer_id: str
    currency: str
    reference: str
    placed_at: str
    items: tuple[Item, ...]
    added: tuple[Item, ...] = ()
    fulfilment: Fulfilment = "choreography"
    cancelled: bool = False
    twice: bool = False
    customer_name: str = ""
    delivery_address: str = ""

    def key(self, command: str) -> str:
        """The idempotency key of one of its commands."""
        return str(uuid5(UUID(self.order_id), command))


def order_id(*parts: str) -> str:
    """The id of the order that these parts name: always the same one."""
    return str(uuid5(_ORDERS, "\n".join(parts)))


def needed_stock(orders: Iterable[PlannedOrder]) -> dict[str, int]:
    """What the warehouse must receive to refuse none of the orders but those that are to be refused."""
    needed: Counter[str] = Counter()
    for order in orders:
        for item in (*order.items, *order.added):
            needed[item.sku] += item.quantity
    needed.pop(OUT_OF_STOCK, None)
    return dict(sorted(needed.items()))
