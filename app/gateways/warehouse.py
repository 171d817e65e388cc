"""The warehouse in its own PostgreSQL schema: one autocommit statement, one function of the schema, for each call."""

from collections.abc import Sequence

from app.domain.calls import Refused, Released, ReleaseStock, Reserve, Reserved, Voided
from app.domain.events import RefusalCode
from app.gateways.connections import Connections
from app.gateways.ports import CallRejectedError, WarehouseAnswer, not_understood

RESERVE = """
select outcome, reason, sku from warehouse.reserve(
    %(order_id)s::text, %(order_version)s::bigint, %(skus)s::text[], %(quantities)s::bigint[])
"""
RELEASE = "select warehouse.release(%(order_id)s::text, %(order_versions)s::bigint[])"
RECEIVE = "select warehouse.receive(%(receipt_id)s::text, %(skus)s::text[], %(quantities)s::bigint[])"

CODES: dict[str, RefusalCode] = {"out-of-stock": "out_of_stock", "unknown-sku": "unknown_sku"}


class PostgresWarehouse:
    """Performs `Reserve` and `ReleaseStock`, and takes stock in, all in the schema `warehouse`."""

    def __init__(self, dsn: str, timeout_seconds: float) -> None:
        self._connections = Connections("warehouse", dsn, timeout_seconds)

    async def perform(self, call: object) -> WarehouseAnswer:
        match call:
            case Reserve():
                return await self._reserve(call)
            case ReleaseStock():
                asked = {"order_id": call.order_id, "order_versions": list(call.order_versions)}
                (released,) = await self._connections.fetch(RELEASE, asked)
                return Released(tuple(released))
            case _:
                raise not_understood("warehouse", call)

    async def _reserve(self, call: Reserve) -> WarehouseAnswer:
        asked = {
            "order_id": call.order_id,
            "order_version": call.order_version,
            "skus": [item.sku for item in call.items],
            "quantities": [item.quantity for item in call.items],
        }
        outcome, reason, sku = await self._connections.fetch(RESERVE, asked)
        match outcome:
            case "reserved":
                return Reserved()
            case "refused":
                return Refused(reason, sku, CODES[reason])
            case "voided":
                return Voided()
            case _:
                raise CallRejectedError("warehouse", f"its outcome {outcome!r} is unknown")

    async def receive(self, receipt_id: str, lines: Sequence[tuple[str, int]]) -> bool:
        """Adds the quantity of each sku once for each `receipt_id`; False when that receipt was there before."""
        skus, quantities = [sku for sku, _ in lines], [quantity for _, quantity in lines]
        received = {"receipt_id": receipt_id, "skus": skus, "quantities": quantities}
        (new,) = await self._connections.fetch(RECEIVE, received)
        return bool(new)

    async def close(self) -> None:
        await self._connections.close()
