"""Sums every customer's orders straight from an Online Retail CSV: the oracle of the views, written in another shape.

Nothing of `app` is imported: plain `csv` and `Decimal`, one pass over the lines, no orders and no events. As a program
it compares the sums with a running system:

    python tests/oracle/online_retail_totals.py FILE.csv http://127.0.0.1:8080
"""

import csv
import json
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

# customer id -> {"orders": number, "total_minor": pence, "items": number of lines, "invoices": {InvoiceNo: pence}}
Totals: TypeAlias = dict[str, dict[str, object]]


def customer_totals(path: Path) -> Totals:
    """What each customer bought, from the lines that are sales: not `C`, with a customer, in whole pence above 0."""
    pence: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    lines: dict[str, int] = defaultdict(int)
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            customer = row["CustomerID"].strip().removesuffix(".0")
            quantity, price = Decimal(row["Quantity"]), Decimal(row["UnitPrice"]) * 100
            cancelled = row["InvoiceNo"].strip().upper().startswith("C")
            if cancelled or not customer or quantity <= 0 or price <= 0 or price != int(price):
                continue
            pence[customer][row["InvoiceNo"].strip()] += int(quantity * price)
            lines[customer] += 1
    return {
        customer: {
            "orders": len(invoices),
            "total_minor": sum(invoices.values()),
            "items": lines[customer],
            "invoices": dict(invoices),
        }
        for customer, invoices in pence.items()
    }


def served_totals(views: str, customer: str) -> dict[str, object]:
    """The same of one customer, from the view of a running system."""
    try:
        with urlopen(f"{views}/views/customers/{quote(customer, safe='')}/orders", timeout=30) as answer:  # noqa: S310 - the caller's own address
            orders = json.load(answer)["orders"]
    except HTTPError as error:
        return {"orders": f"HTTP {error.code}", "total_minor": None, "invoices": {}}
    return {
        "orders": len(orders),
        "total_minor": sum(order["total_minor"] for order in orders),
        "invoices": {order["reference"]: order["total_minor"] for order in orders},
    }


def differences(expected: Totals, views: str) -> list[str]:
    """One line for each customer whose served orders are not those of the file."""

    def difference(customer: str) -> str | None:
        wanted, served = expected[customer], served_totals(views, customer)
        if all(served[field] == wanted[field] for field in served):
            return None
        return f"customer {customer}: the file says {wanted}, the view says {served}"

    with ThreadPoolExecutor(16) as pool:
        return [line for line in pool.map(difference, sorted(expected)) if line]


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)  # noqa: T201 - a program for a terminal
        return 2
    expected = customer_totals(Path(arguments[0]))
    if not expected:
        print(f"{arguments[0]} holds no sale: nothing was compared", file=sys.stderr)  # noqa: T201
        return 2
    found = differences(expected, arguments[1].rstrip("/"))
    orders = sum(int(str(of["orders"])) for of in expected.values())
    total = sum(int(str(of["total_minor"])) for of in expected.values())
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201
    print(f"{len(expected)} customers, {orders} orders, {total} pence in the file; {len(found)} customers differ")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
