"""Orders are placed through the real command API; failures on the way and repetition place none twice."""

import json
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from app.cli import produce
from app.cli.producing.generator import generate
from app.cli.producing.orders import PlannedOrder
from app.cli.producing.placing import ApiUnavailableError, place_orders
from app.cli.producing.stock import receive_stock
from app.domain.events import Event, ItemAdded, OrderCancelled, OrderCreated
from app.eventstore.memory import MemoryEventStore
from app.gateways.memory import InMemoryWarehouse
from tests.contract.serving import Api, serving

pytestmark = pytest.mark.anyio


async def stored(store: MemoryEventStore, orders: Iterable[PlannedOrder]) -> list[Event]:
    return [event for order in orders for event in await store.read(order.order_id)]


def expected(orders: Iterable[PlannedOrder]) -> list[object]:
    """What each order's stream holds when nobody confirms it."""
    kinds: list[object] = []
    for order in orders:
        kinds += [OrderCreated, *[ItemAdded] * len(order.added), *[OrderCancelled] * order.cancelled]
    return kinds


async def test_orders_their_added_items_and_cancels_are_stored_as_planned() -> None:
    orders = list(generate(60, 7))
    seen: list[int] = []
    with serving() as api:
        report = await place_orders(api.url, orders, on_progress=seen.append)
    events = await stored(api.store, orders)
    assert [type(event) for event in events] == expected(orders)
    assert report.placed == len(orders)
    assert report.items_added == sum(len(order.added) for order in orders)
    assert report.cancelled == sum(order.cancelled for order in orders)
    assert (report.refused, report.too_late, report.retried) == ({}, 0, 0)
    assert seen == list(range(1, 61))


async def test_placing_again_adds_nothing() -> None:
    orders = list(generate(30, 7))
    with serving() as api:
        await place_orders(api.url, orders)
        before = await stored(api.store, orders)
        report = await place_orders(api.url, orders)
    assert (report.placed, report.new_orders, report.known_orders) == (len(orders), 0, len(orders))
    assert await stored(api.store, orders) == before


async def test_commands_sent_twice_at_once_have_effect_once() -> None:
    orders = list(generate(60, 7, faults=["duplicates"]))
    with serving() as api:
        report = await place_orders(api.url, orders)
    assert (report.new_orders, report.known_orders) == (len(orders), 0)
    assert [type(event) for event in await stored(api.store, orders)] == expected(orders)
    assert api.failing.requests > len(expected(orders))


async def test_requests_that_failed_or_lost_their_answer_are_sent_again_and_nothing_doubles() -> None:
    orders = list(generate(30, 7))
    plan = {0: "503", 1: "lost", 5: "lost", 6: "503", 9: "503", 20: "lost"}
    with serving(plan) as api:
        report = await place_orders(api.url, orders, concurrency=4)
    assert (report.retried, report.new_orders) == (len(plan), len(orders))
    assert [type(event) for event in await stored(api.store, orders)] == expected(orders)


async def test_refusals_are_counted_by_their_code() -> None:
    (order,) = generate(1, 7)
    with serving() as api:
        report = await place_orders(api.url, [replace(order, currency="pounds"), order])
    assert report.refused == {"REQUEST_INVALID": 1}
    assert report.placed == 1


async def test_commands_after_the_outcome_are_too_late_not_refused() -> None:
    order = next(order for order in generate(100, 7) if order.added)
    late = replace(order, cancelled=True)
    with serving() as api:
        await place_orders(api.url, [replace(order, added=(), cancelled=True)])
        report = await place_orders(api.url, [late])
    assert report.too_late == len(late.added)
    assert report.refused == {}


async def test_an_api_that_stays_away_ends_the_run_in_time() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ApiUnavailableError, match="nothing is placed twice"):
            await place_orders(url, generate(3, 7), patience_seconds=0.2)


async def test_stock_is_received_once_for_each_name_and_content() -> None:
    warehouse, stock = InMemoryWarehouse(), {f"sku-{number}": number for number in range(1, 1_200)}
    first = await receive_stock(warehouse, stock, "a run")
    again = await receive_stock(warehouse, stock, "a run")
    assert warehouse.received == stock
    assert (first.receipts, first.new_receipts, again.new_receipts) == (3, 3, 0)
    await receive_stock(warehouse, stock, "another run")
    assert warehouse.received["sku-7"] == 14


def run(api: Api | None, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, dict[str, object]]:
    monkeypatch.setenv("ORDERFLOW_API", api.url if api else "http://127.0.0.1:1")
    result = CliRunner().invoke(produce.cli, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout or "{}")


def test_the_command_places_generated_orders_and_prints_their_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as api:
        code, result = run(api, monkeypatch, "orders", "--orders", "40", "--seed", "7")
    assert code == 0
    assert result["placed"] == 40
    assert result["mix"]["orders"] == 40  # type: ignore[index]


def test_orders_are_placed_with_names_and_addresses_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as api:
        for seed, options in (("1", ()), ("2", ("--personal",))):
            code, _ = run(api, monkeypatch, "orders", "--orders", "5", "--seed", seed, *options)
            assert code == 0
    created = [event for event in api.store.outbox if isinstance(event, OrderCreated)]
    given = [bool(event.customer_name and event.delivery_address) for event in created]
    assert given == [False] * 5 + [True] * 5


def test_the_command_places_a_file_and_writes_its_rejects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,HOLDER,6,12/1/10 8:26,2.55,17850.0,United Kingdom\n"
        "C536379,D,Discount,-1,12/1/10 9:41,27.5,14527.0,United Kingdom\n"
    )
    rejects = tmp_path / "rejects.csv"
    with serving() as api:
        code, result = run(api, monkeypatch, "orders", "--from", str(path), "--rejects", str(rejects))
    assert (code, result["placed"], result["rejected"]) == (0, 1, {"cancellation": 1})
    assert rejects.read_text().splitlines()[1].startswith("3,cancellation,C536379,")


def test_an_invoice_that_the_api_refuses_is_named_and_its_lines_are_in_the_rejects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop, changed, rejects = tmp_path / "shop.csv", tmp_path / "changed.csv", tmp_path / "rejects.csv"
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    line = "536365,85123A,HOLDER,6,12/1/10 8:26,2.55,17850.0,United Kingdom\n"
    shop.write_text(header + line)
    changed.write_text(header + line.replace(",6,", ",7,") + line.replace("85123A", "TE/A"))
    with serving() as api:
        run(api, monkeypatch, "orders", "--from", str(shop), "--rejects", str(rejects))
        code, result = run(api, monkeypatch, "orders", "--from", str(changed), "--rejects", str(rejects))
    assert (code, result["refused_orders"]) == (1, {"536365": "KEY_REUSED"})
    assert result["rejects"] == str(rejects)
    reasons = [row.split(",")[:3] for row in rejects.read_text().splitlines()[1:]]
    assert reasons == [["2", "key-reused", "536365"], ["3", "stock-code-not-allowed", "536365"]]


@pytest.mark.parametrize("arguments", [("--faults", "gremlins"), ("--from", "x.csv", "--faults", "late")])
def test_the_command_refuses_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    assert run(None, monkeypatch, "orders", *arguments)[0] == 2
