"""Where the orders of a run come from: a file of a shop, or a seed."""

from collections import Counter
from pathlib import Path

import msgspec

from app.cli.producing.generator import ORCHESTRATED, generate, mix_of
from app.cli.producing.online_retail import read_shop
from app.cli.producing.orders import PlannedOrder
from app.cli.producing.shop_file import RejectedLine

FAULTS = ("duplicates", "poison", "unknown-schema", "late", "hot-key")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Orders under a name that is the same whenever they are; `mix` says what is among them.

    `lines`: where each order of a file stands in it, by order id.
    """

    name: str
    orders: tuple[PlannedOrder, ...]
    mix: dict[str, int]
    lines: dict[str, tuple[int, ...]] = {}
    rejected: tuple[RejectedLine, ...] = ()

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        return dict(Counter(reject.reason for reject in self.rejected).most_common())


def from_file(path: Path) -> Source:
    shop = read_shop(path)
    lines = sum(len(order.items) for order in shop.orders)
    mix = {"orders": len(shop.orders), "items": lines, "rejected lines": len(shop.rejected)}
    return Source(name="online-retail", orders=shop.orders, mix=mix, lines=shop.lines, rejected=shop.rejected)


def from_seed(
    count: int, seed: int, *, faults: tuple[str, ...] = (), run: str = "", orchestrated: float = ORCHESTRATED
) -> Source:
    orders = tuple(generate(count, seed, faults=faults, run=run, orchestrated=orchestrated))
    return Source(name=f"generated:{run}:{seed}", orders=orders, mix=mix_of(orders))
