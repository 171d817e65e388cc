"""Makes seeded orders: the same seed and index make the same order, ids included, in every run.

Each order has one fate, drawn by `FATES`; the rest are plain orders that nobody refuses. Faults come on top, each
drawn on its own, so that they change no other draw.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

from app.cli.producing.orders import OUT_OF_STOCK, PlannedOrder, order_id
from app.domain.events import Item
from app.simulators.planted import REFUSED_DELIVERY, REFUSED_PAYMENT

# what happens to an order, and the share of the orders that it happens to
FATES = {
    "payment-refused": 0.05,
    "stock-refused": 0.05,
    "delivery-refused": 0.05,
    "items-added": 0.15,
    "customer-cancels": 0.05,
}
ORCHESTRATED = 0.25
DUPLICATES = 0.10  # with the fault `duplicates`: every command of the order is sent twice
LATE = 0.05  # with the fault `late`: placed up to two years before the others
HOT_CUSTOMER = 0.30  # with the fault `hot-key`: belongs to one customer
HOT_ORDER_ITEMS = 50  # with the fault `hot-key`: added to the first order, one by one

_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDS = 90 * 24 * 3600
_CUSTOMERS, _PRODUCTS = 500, 200


def generate(
    count: int, seed: int, *, faults: Iterable[str] = (), run: str = "", orchestrated: float = ORCHESTRATED
) -> Iterator[PlannedOrder]:
    """The first `count` orders of this seed; another `run` has the same orders under other ids.

    `orchestrated` is the share of the orders that a saga fulfils, of those to which no item is added.
    """
    wanted = frozenset(faults)
    for index in range(count):
        order = _with_faults(_order(seed, index, run), seed, index, wanted)
        chance = Random(f"{seed}:{index}:fulfilment")  # noqa: S311 - repeatable, not secret
        if chance.random() < orchestrated and not order.added:
            order = msgspec.structs.replace(order, fulfilment="orchestration")
        yield order


def mix_of(orders: Iterable[PlannedOrder]) -> dict[str, int]:
    """How many of the orders have each fate and fault; an order may count more than once."""
    mix: Counter[str] = Counter()
    for order in orders:
        fates = {
            "payment-refused": order.customer_id.startswith(REFUSED_PAYMENT),
            "stock-refused": any(item.sku == OUT_OF_STOCK for item in order.items),
            "delivery-refused": order.customer_id.startswith(REFUSED_DELIVERY),
            "items-added": bool(order.added),
            "customer-cancels": order.cancelled,
        }
        faults = {
            "duplicates": order.twice,
            "late": order.placed_at < _text(_FIRST_DAY),
            "hot-key": order.customer_id == "customer-hot" or len(order.added) >= HOT_ORDER_ITEMS,
        }
        mix["orders"] += 1
        mix["orchestrated"] += order.fulfilment == "orchestration"
        mix["plain"] += not any(fates.values())
        mix.update(name for name, holds in (fates | faults).items() if holds)
    return dict(mix)


def _order(seed: int, index: int, run: str) -> PlannedOrder:
    chance = Random(f"{seed}:{index}")  # noqa: S311 - repeatable, not secret
    fate = _fate(chance)
    customer = {"payment-refused": REFUSED_PAYMENT, "delivery-refused": REFUSED_DELIVERY}.get(fate, "customer")
    items = [_item(chance) for _ in range(chance.choice((1, 1, 2, 2, 3, 4)))]
    if fate == "stock-refused":
        items.append(Item(sku=OUT_OF_STOCK, quantity=1, unit_price_minor=999))
    return PlannedOrder(
        order_id=order_id("generated", run, str(seed), str(index)),
        customer_id=f"{customer}-{chance.randrange(_CUSTOMERS):04}",
        currency=chance.choice(("GBP", "GBP", "GBP", "EUR", "USD")),
        reference=f"G{seed}-{index}",
        placed_at=_text(_FIRST_DAY + timedelta(seconds=chance.randrange(_SECONDS))),
        items=tuple(items),
        added=tuple(_item(chance) for _ in range(chance.randint(1, 3))) if fate == "items-added" else (),
        cancelled=fate == "customer-cancels",
    )


def _fate(chance: Random) -> str:
    drawn = chance.random()
    for fate, share in FATES.items():
        if drawn < share:
            return fate
        drawn -= share
    return "plain"


def _item(chance: Random) -> Item:
    product = min(int(chance.paretovariate(0.8)), _PRODUCTS)  # few products are bought often
    return Item(sku=f"sku-{product:04}", quantity=chance.randint(1, 5), unit_price_minor=99 + 37 * product)


def _with_faults(order: PlannedOrder, seed: int, index: int, faults: frozenset[str]) -> PlannedOrder:
    chance = Random(f"{seed}:{index}:faults")  # noqa: S311 - repeatable, not secret
    twice, late, hot = (chance.random() < share for share in (DUPLICATES, LATE, HOT_CUSTOMER))
    changed: dict[str, object] = {}
    if "duplicates" in faults and twice:
        changed["twice"] = True
    if "late" in faults and late:
        changed["placed_at"] = _text(_FIRST_DAY - timedelta(seconds=chance.randrange(8 * _SECONDS)))
    if "hot-key" in faults and hot and order.customer_id.startswith("customer-"):
        changed["customer_id"] = "customer-hot"
    if "hot-key" in faults and index == 0:
        changed["added"] = tuple(_item(chance) for _ in range(HOT_ORDER_ITEMS))
    return msgspec.structs.replace(order, **changed)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
