"""Reads the changelogs of the views, and compares the last row under each key with what the events explain.

What a worker serves now may be right while its changelog is not: the next restore would serve what the changelog holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from app.verify.compare import event_ids, extra_rows
from app.verify.expected import SEALED, Row, customer_path, order_path, product_path, sales_path
from app.verify.kafka import KafkaReader
from app.verify.model import Case, Difference

# A row's parts in the order in which they are stored.
ORDER = (
    *("order_id", "version", "customer_id", "reference", "status", "currency", "total_minor", "item_count", "lines"),
    *("placed_at", "reason", "payments", "charged_minor", "refunded_minor"),
    *("inventory", "reserved_versions", "released_versions", "shipping", "delivery", "delivery_id"),
    *SEALED,
)
SUMS = (
    *("orders", "total_minor", "confirmed_orders", "confirmed_total_minor"),
    *("cancelled_orders", "cancelled_total_minor"),
)
DEMAND = ("orders", "ordered_quantity", "confirmed_quantity", "cancelled_quantity")
LISTED = ("customer_id", "order_id", "reference", "status", "currency", "total_minor", "placed_at")

Key: TypeAlias = tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """The number of parts of a key, the path that serves the row of a key, and the names of a row's parts.

    `added` are the last of those: rows stored before there were any lack them, and they are empty texts.
    """

    key_parts: int
    path: Callable[..., str]
    names: Key
    added: Key = ()


TABLES = {
    "order_summaries": Table(1, order_path, ORDER, added=SEALED),
    "customer_orders": Table(2, lambda customer_id, _order_id: customer_path(customer_id), LISTED),
    "daily_sales": Table(2, sales_path, SUMS),
    "product_demand": Table(1, product_path, DEMAND),
}


class Stored(msgspec.Struct, frozen=True):
    """The last value under a key in one partition of a table's changelog."""

    table: str
    key: Key
    value: bytes

    @property
    def path(self) -> str:
        return TABLES[self.table].path(*self.key)

    def fields(self) -> dict[str, Any] | None:
        """The row's parts by name; None when the value is no row of the table."""
        table = TABLES[self.table]
        try:
            parts = msgspec.msgpack.decode(self.value)
            if len(parts) == len(table.names) - len(table.added):
                parts += [""] * len(table.added)
            row = dict(zip(table.names, parts, strict=True))
            if "lines" in row:
                row["lines"] = [
                    {"sku": sku, "quantity": quantity}
                    for sku, quantity in map(msgspec.json.decode, row["lines"].splitlines())
                ]
        except (msgspec.DecodeError, TypeError, ValueError):
            return None
        return row


def topic_of(table: str) -> str:
    return f"orderflow-order-views-{table}-changelog"


def read(kafka: KafkaReader) -> list[Stored]:
    """What the changelogs hold: a key that was deleted last is not there."""
    tables = {topic_of(table): table for table in TABLES}
    last: dict[tuple[str, int, bytes], bytes | None] = {}
    for message in kafka.records(list(tables)):
        last[message.topic(), message.partition(), message.key()] = message.value()
    return [
        Stored(tables[topic], tuple(key_parts(key, TABLES[tables[topic]].key_parts)), value)
        for (topic, _, key), value in last.items()
        if value is not None
    ]


def key_parts(key: bytes, parts: int) -> list[str]:
    """A row's key taken apart: each part but the last stands behind its length (two bytes)."""
    found: list[str] = []
    for _ in range(parts - 1):
        length = int.from_bytes(key[:2], "big")
        found.append(key[2 : 2 + length].decode(errors="backslashreplace"))
        key = key[2 + length :]
    return [*found, key.decode(errors="backslashreplace")]


def compare(held: Iterable[Stored], rows: Mapping[str, Row], cases: Mapping[str, Case]) -> Iterator[Difference]:
    """Rows that no event explains, rows that are not as the events say, and rows that a restore would lack."""
    stored = list(held)
    yield from extra_rows((row.path for row in stored), rows, {order_path(order_id) for order_id in cases})
    wanted = dict(_wanted(rows))
    for row in stored:
        if row.path in rows:
            yield from _compare_row(row, wanted.get((row.table, row.key)), event_ids(rows[row.path], cases))
    for table, key in sorted(wanted.keys() - {(row.table, row.key) for row in stored}):
        path = TABLES[table].path(*key)
        subject = f"{topic_of(table)} {'/'.join(key)}"
        yield Difference("changelog-missing", subject, wanted[table, key], None, event_ids(rows[path], cases))


def _compare_row(row: Stored, wanted: dict[str, Any] | None, events: Key) -> Iterator[Difference]:
    subject = f"{topic_of(row.table)} {'/'.join(row.key)}"
    fields = row.fields()
    if wanted is None or fields is None:
        shown = row.value.hex() if fields is None else fields
        yield Difference("changelog", subject, wanted or "no row", shown, events)
        return
    for name in fields.keys() & wanted.keys():
        if fields[name] != wanted[name]:
            yield Difference("changelog", f"{subject} {name}", wanted[name], fields[name], events)


def _wanted(rows: Mapping[str, Row]) -> Iterator[tuple[tuple[str, Key], dict[str, Any]]]:
    """The rows of the tables by their keys: those of the views, a customer's list taken apart."""
    for row in rows.values():
        match row.fields:
            case {"day": day, "currency": currency}:
                yield ("daily_sales", (day, currency)), row.fields
            case {"sku": sku}:
                yield ("product_demand", (sku,)), row.fields
            case {"customer_id": customer_id, "orders": orders}:
                for order in orders:
                    of_customer = {"customer_id": customer_id, **order}
                    yield ("customer_orders", (customer_id, order["order_id"])), of_customer
            case order:
                yield ("order_summaries", (order["order_id"],)), {**order, **row.sealed}
