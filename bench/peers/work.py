"""The work of every peer in Python: the same bytes, the same rows. Knows nothing of the product but its schemas.

A row is the list of the fields of an `OrderSummary`: what each peer stores cheapest.
"""

import argparse
import json
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

from fastavro import parse_schema, schemaless_reader

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
TOPIC = "orders.events"

Event: TypeAlias = dict[str, Any]
Row: TypeAlias = list[Any]

# the parts of a row that an order without payments, stock and delivery has
ELSEWHERE = [0, 0, 0, 0, [], [], 0, "none", None]
NO_ONE = ["", ""]


def arguments() -> argparse.Namespace:
    """The command line that all peers have in common."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--changelog", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--interval-ms", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--exactly-once", action="store_true")
    parser.add_argument("--process", type=int, default=0, help="which one it is of several that share the work")
    parser.add_argument("--addresses", type=lambda text: text.split(","), default=[], help="host:port of each of them")
    return parser.parse_args()


def decode(value: bytes) -> Event:
    """The fields of an event, and its type under `type`."""
    name, schema = _SCHEMAS[value[:5]]
    body = BytesIO(value)
    body.seek(5)
    event: Any = schemaless_reader(body, schema, None)
    event["type"] = name
    return event  # type: ignore[no-any-return]  # a record


def fold(row: Row | None, event: Event) -> Row | None:
    """The row after the event; None when it was seen before."""
    if row is None:
        row = [event["order_id"], 0, "", "", "pending", "", 0, 0, [], None, None, *ELSEWHERE, *NO_ONE]
    elif event["version"] <= row[1]:
        return None
    new = row.copy()
    new[1] = event["version"]
    match event["type"]:
        case "ItemAdded":
            _add_items(new, [event["item"]])
        case "OrderCreated":
            new[2], new[3], new[5] = event["customer_id"], event["reference"], event["currency"]
            new[9], new[20:] = event["placed_at"], [event["customer_name"], event["delivery_address"]]
            _add_items(new, event["items"])
        case "OrderConfirmed":
            new[4] = "confirmed"
        case "OrderCancelled":
            new[4], new[10] = "cancelled", event["reason"]
    return new


def _add_items(row: Row, items: list[Event]) -> None:
    for item in items:
        row[6] += item["quantity"] * item["unit_price_minor"]
        row[7] += item["quantity"]
    row[8] = [*row[8], *[[item["sku"], item["quantity"]] for item in items]]


def _plain(schema: Any) -> Any:
    """Without logical types: a time stays the integer that it is, which is also faster."""
    if isinstance(schema, dict):
        return {key: _plain(part) for key, part in schema.items() if key != "logicalType"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


def _schemas() -> dict[bytes, tuple[str, Any]]:
    """Bytes before the body -> name and schema of what follows."""
    found = {}
    for number, locked in json.loads((SCHEMAS / "ids.lock").read_bytes()).items():
        schema = parse_schema(_plain(json.loads((SCHEMAS / locked["file"]).read_bytes())))
        found[b"\0" + int(number).to_bytes(4, "big")] = (schema["name"].rpartition(".")[2], schema)
    return found


_SCHEMAS = _schemas()
