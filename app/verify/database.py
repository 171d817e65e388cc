"""Reads the event store and the warehouse, each in one snapshot."""

import asyncio
from collections import defaultdict
from time import monotonic
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from app.errors import SetupError
from app.verify.decoding import Decoder
from app.verify.model import ORDERS, Case, Effect, Event, Record, Stock

EVENTS = """
select order_id::text, version, event_id::text, type, payload as raw from events order by order_id, version
"""
# those of a blocked aggregate are not counted one by one
UNPUBLISHED = """
select count(*) + (select count(*) from outbox_blocked) as events from publishing mine, outbox o
join relay_position p on p.shard = outbox_shard(o.aggregateid, (select count(*)::int from relay_position))
where (o.xid, o.seq) > (p.xid, p.seq)
    and o.xid > case mine.state when 'to_relay' then mine.marker else mine.relay_from end
    and o.xid < case mine.state when 'to_relay' then '18446744073709551615' else mine.relay_until end
"""
VOID = """select topic, partition, "offset" from void_records"""
WRITTEN = "select pg_current_wal_insert_lsn()::text as lsn from publishing where state <> 'relay'"
CAPTURED = """
select coalesce(bool_and(confirmed_flush_lsn >= %s::pg_lsn), false) as captured from pg_replication_slots
where database = current_database()
"""
CAPTURE_S = 3.0  # it says once a second how far it is
LOOK_S = 0.1
STOCK = """
select sku, coalesce(received, 0) as received, coalesce(reserved, 0) as reserved, coalesce(receipts, 0) as receipts
from warehouse.stock
full join (select sku, sum(quantity)::bigint as receipts from warehouse.receipt_lines group by sku) using (sku)
"""
RESERVATIONS = """
select order_id, order_version, state, line.sku, quantity from warehouse.reservations
left join warehouse.reservation_lines line using (order_id, order_version)
"""


class Database:
    """The product's PostgreSQL, read only."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def __aenter__(self) -> "Database":
        try:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn, connect_timeout=10, row_factory=dict_row
            )
        except psycopg.Error as error:
            raise SetupError(f"no connection to PostgreSQL: {error}; start it, or mend ORDERFLOW_POSTGRES") from None
        await self._connection.set_read_only(True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def unpublished(self) -> int:
        """How many events the relay has yet to publish."""
        rows = await self._rows(UNPUBLISHED)
        return int(rows[0]["events"])

    async def void(self) -> set[Record]:
        """The records that do not count: `orderflow store audit --repair` has made them good."""
        return {(row["topic"], row["partition"], row["offset"]) for row in await self._rows(VOID)}

    async def captured(self) -> bool:
        """Whether change data capture, where it publishes, has published all that is committed by now."""
        written = await self._rows(WRITTEN)
        if not written:
            return True
        until = monotonic() + CAPTURE_S
        while not (await self._rows(CAPTURED, written[0]["lsn"]))[0]["captured"]:
            if monotonic() > until:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def cases(self, decoder: Decoder) -> dict[str, Case]:
        """A case for each order in the event store, with its stored events."""
        cases: dict[str, Case] = {}
        for row in await self._rows(EVENTS):
            case = cases.setdefault(row["order_id"], Case(order_id=row["order_id"]))
            case.stored.append(_stored(decoder, row))
        return cases

    async def stock(self) -> dict[str, Stock]:
        rows = await self._rows(STOCK)
        return {row.pop("sku"): Stock(**row) for row in rows}

    async def reservations(self) -> dict[str, list[Effect]]:
        """What the warehouse holds, or held, under each key, by order."""
        rows = await self._rows(RESERVATIONS)
        quantities: dict[tuple[str, int, str], dict[str, int]] = defaultdict(dict)
        for row in rows:
            lines = quantities[row["order_id"], row["order_version"], row["state"]]
            if row["sku"] is not None:
                lines[row["sku"]] = row["quantity"]
        effects: dict[str, list[Effect]] = defaultdict(list)
        for (order_id, order_version, state), lines in quantities.items():
            standing, happened = state == "reserved", state in ("reserved", "released")
            effects[order_id].append(
                Effect(order_version=order_version, state=state, standing=standing, happened=happened, quantities=lines)
            )
        return effects

    async def _rows(self, statement: LiteralString, *parameters: object) -> list[dict[str, Any]]:
        try:
            async with self._connection.transaction():
                return await (await self._connection.execute(statement, parameters)).fetchall()
        except psycopg.errors.UndefinedTable as error:
            raise SetupError(f"the database lacks a table: {error}; run `orderflow migrate`, then verify") from None


def _stored(decoder: Decoder, row: dict[str, Any]) -> Event:
    """The event in the payload; of type `unreadable` when payload and row do not name the same event."""
    decoded = decoder.decode(ORDERS, row["raw"])
    row["type"] = row["type"].rpartition(".")[2]  # the table has the full name
    if decoded is None or any(decoded[name] != value for name, value in row.items()):
        return {**row, "type": "unreadable"}
    return decoded
