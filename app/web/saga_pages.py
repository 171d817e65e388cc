"""What workers serve of sagas to the API: instances whole, since the API decides with them what an operator may do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from app.domain import fulfilment
from app.domain.fulfilment import FulfilmentRow
from app.domain.orchestrated import OrchestrationRow
from app.domain.service import ServiceRow
from app.streaming.reader import Reader
from app.web.views import Params, View, order_id_of

SAGAS, FULFILMENTS = "sagas", "fulfilments"
SERVICES = ("payments", "reservations", "deliveries")
MOST = 1_000  # of a partition


def _instance(_: Params, rows: Sequence[OrchestrationRow]) -> dict[str, Any] | None:
    return {"instance": rows[0].saga} if rows else None


SAGA = View(
    name="saga",
    summary="Where the saga of an order stands",
    path="/views/sagas/{order_id}",
    forms={"order_id": order_id_of},
    table=SAGAS,
    partition_key=lambda params: params["order_id"],
    row_key=lambda params: (params["order_id"],),
    render=_instance,
)


async def in_state(reader: Reader, partition: int, query: Mapping[str, str]) -> bytes:
    """The instances of a partition in the state that the query names."""

    def keep(row: OrchestrationRow) -> bool:
        return row.saga.status == query.get("state")

    return msgspec.json.encode([row.saga for _, row in await reader.select(SAGAS, partition, keep, MOST)])


def not_undone(table: str) -> "Select":
    """Of the table of a service: the ids of choreographed orders of a partition whose undoing waits for an operator."""

    def keep(row: ServiceRow) -> bool:
        return bool(row.refused)

    async def select(reader: Reader, partition: int, _: Mapping[str, str]) -> bytes:
        return msgspec.json.encode([key.decode() for key, _ in await reader.select(table, partition, keep, MOST)])

    return select


class Late(msgspec.Struct, frozen=True):
    """An order without an outcome, and the event that it waits for."""

    order_id: str
    waits_for: str


async def overdue(reader: Reader, partition: int, _: Mapping[str, str]) -> bytes:
    """The choreographed orders of a partition that have no outcome past their deadline, as `Late`."""

    def keep(row: FulfilmentRow) -> bool:
        return row.overdue

    rows = await reader.select(FULFILMENTS, partition, keep, MOST)
    return msgspec.json.encode([Late(key.decode(), fulfilment.awaited(row)) for key, row in rows])


Select: TypeAlias = Callable[[Reader, int, Mapping[str, str]], Awaitable[bytes]]
# the path before the partition, by the table that a topology must have to serve it
LISTS: dict[str, tuple[str, Select]] = {
    SAGAS: ("/sagas", in_state),
    FULFILMENTS: ("/overdue", overdue),
    **{table: ("/not-undone", not_undone(table)) for table in SERVICES},
}
