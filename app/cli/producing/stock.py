"""Receives stock in the warehouse, in receipts of a bounded size."""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from app.gateways.ports import Warehouse

LINES_PER_RECEIPT = 500


class StockReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and how many of the receipts were new: the others had been received before."""

    skus: int
    quantity: int
    receipts: int
    new_receipts: int


async def receive_stock(
    warehouse: Warehouse, stock: Mapping[str, int], name: str, *, on_progress: Callable[[int], None] = lambda _: None
) -> StockReport:
    """Receives the quantity of each sku, once for each `name` and content: repeating it adds nothing.

    `on_progress` hears the number of skus done.
    """
    lines = sorted(stock.items())
    receipts = [lines[at : at + LINES_PER_RECEIPT] for at in range(0, len(lines), LINES_PER_RECEIPT)]
    new = 0
    for index, receipt in enumerate(receipts):
        new += await warehouse.receive(_receipt_id(name, receipt), receipt)
        on_progress(min(len(lines), (index + 1) * LINES_PER_RECEIPT))
    quantity = sum(quantity for _, quantity in lines)
    return StockReport(skus=len(lines), quantity=quantity, receipts=len(receipts), new_receipts=new)


def _receipt_id(name: str, lines: list[tuple[str, int]]) -> str:
    return f"{name}:{hashlib.sha256(msgspec.json.encode(lines)).hexdigest()[:32]}"
