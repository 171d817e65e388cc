"""Name and address of a customer stand nowhere in plain, whatever becomes of an order; erased, nobody can read them."""

import os
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from app.domain.fields import Fulfilment
from tests.commands import run
from tests.e2e.everywhere import places_of
from tests.e2e.whole_system import ITEM, WholeSystem
from tests.waiting import until

NAME, ADDRESS = "Annabel Quillfeather", "7 Larkspurmews, Ludlowtown"
WORDS = ("Quillfeather", "Larkspurmews", "Ludlowtown")
GIVEN = {"customer_name": NAME, "delivery_address": ADDRESS}
READABLE = {"personal_data": "readable", **GIVEN}
ERASED = {"personal_data": "erased", "customer_name": "", "delivery_address": ""}
CUSTOMER = f"customer-{uuid4()}"


def place(
    system: WholeSystem, fulfilment: Fulfilment = "choreography", key: str | None = None, **changes: object
) -> httpx.Response:
    body = {"customer_id": CUSTOMER, "currency": "GBP", "items": [ITEM], **GIVEN, "fulfilment": fulfilment, **changes}
    return system.post("/orders", body, **({"Idempotency-Key": key} if key else {}))


def placed(system: WholeSystem, fulfilment: Fulfilment = "choreography", order_id: str | None = None) -> str:
    answer = place(system, fulfilment, order_id=order_id or str(uuid4()))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["order_id"])


def viewed(system: WholeSystem, order_id: str) -> dict[str, Any]:
    """What the view shows of the person, once it knows the order."""
    address, answers = f"{system.settings.api}/views/orders/{order_id}", []

    def is_shown() -> bool:
        answers.append(system.http.get(address))
        return answers[-1].status_code == 200

    until(is_shown, "the view shows the order")
    row = answers[-1].json()
    return {name: row[name] for name in READABLE}


def carried(system: WholeSystem, order_id: str) -> list[tuple[str, str]]:
    """What the carrier was told."""
    entries = system.http.get(f"{system.settings.carrier}/ledger?order_id={order_id}").json()["entries"]
    return [(entry.get("name", ""), entry.get("address", "")) for entry in entries]


def end_worker(system: WholeSystem, name: str) -> None:
    """It writes its rows to the disk, and is started again."""
    ended = system.running()["processes"][name]
    os.kill(ended, signal.SIGTERM)
    until(lambda: system.running()["processes"].get(name, ended) != ended, f"{name} is started again")


def letters(system: WholeSystem, order_id: str) -> list[str]:
    """The ids of what is dead of the order."""
    dead = system.http.get(f"{system.settings.api}/failures/keys/{order_id}").json()["dead"]
    return [letter["id"] for letter in dead]


def refused(system: WholeSystem) -> None:
    """Commands that are not taken, each for a reason of its own."""
    key = str(uuid4())
    assert place(system, key=key).status_code == 201
    for code, changes in (
        ("REQUEST_INVALID", {"currency": "pounds"}),
        ("KEY_REUSED", {"key": key, "delivery_address": f"8 {ADDRESS}"}),
        ("ORDER_INVALID", {"items": [ITEM | {"quantity": 1_000_000, "unit_price_minor": 10**12}]}),
    ):
        answer = place(system, **changes)
        assert answer.json()["code"] == code
        assert not [word for word in WORDS if word in answer.text]


def test_name_and_address_stand_nowhere_in_plain_and_are_unreadable_once_erased(
    system: WholeSystem, tmp_path: Path
) -> None:
    delivered = [placed(system), placed(system, "orchestration")]
    refused(system)
    # the carrier takes no other terms under a key that it knows, and says so with both
    disputed = str(uuid4())
    terms = {"customer_id": CUSTOMER, "name": NAME, "address": "elsewhere"}
    assert system.http.put(f"{system.settings.carrier}/deliveries/{disputed}/1", json=terms).status_code == 200
    placed(system, order_id=disputed)
    until(lambda: letters(system, disputed), "its delivery is a dead letter")

    for order_id in delivered:
        system.wait_for(order_id, "confirmed")
        assert carried(system, order_id) == [(NAME, ADDRESS)]
    assert [viewed(system, order_id) for order_id in (*delivered, disputed)] == [READABLE] * 3

    end_worker(system, "order-views-1")
    assert system.ask("person", "erase", CUSTOMER)["erased"] is True
    assert [viewed(system, order_id) for order_id in (*delivered, disputed)] == [ERASED] * 3
    # what the carrier had under this key is cancelled, and the order with it
    sent = run("dlq", "redrive", "--letter", *letters(system, disputed), settings=system.settings)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "personal-data-erased" in system.wait_for(disputed, "cancelled")["reason"]
    places = places_of(system, (CUSTOMER, *WORDS), tmp_path)
    # what is not sealed is found where orders are kept
    found = places.pop(CUSTOMER)
    assert {"orders.events", "public.events"} <= found
    assert any(place.startswith("rows of order-views-") for place in found), found
    assert not any(places.values()), places
