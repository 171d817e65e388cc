"""`orderflow produce stock` fills the real warehouse, once for each run."""

import asyncio
import json

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import produce
from app.cli.producing.generator import generate
from app.cli.producing.orders import needed_stock
from app.config import Settings
from app.errors import SetupError


def received(database: str) -> dict[str, int]:
    with psycopg.connect(database) as connection:
        return dict(connection.execute("select sku, received from warehouse.stock").fetchall())


def produce_stock(*arguments: str) -> dict[str, int]:
    result = CliRunner().invoke(produce.cli, ["stock", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    report: dict[str, int] = json.loads(result.stdout)
    return report


def test_the_stock_of_a_run_is_received_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_POSTGRES", database)
    run = ("--orders", "300", "--seed", "7")
    first, again = produce_stock(*run), produce_stock(*run)
    assert received(database) == needed_stock(generate(300, 7))
    assert (first["new_receipts"], again["new_receipts"]) == (1, 0)


def test_single_items_are_added_every_time(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_POSTGRES", database)
    for _ in range(2):
        produce_stock("--item", "mug=5", "--item", "tea=2", "--item", "mug=1")
    assert received(database) == {"mug": 12, "tea": 4}


@pytest.mark.parametrize("item", ["mug", "=5", "mug=0", "mug=-1", "mug=x", f"mug={9**99}"])
def test_an_item_without_a_quantity_is_refused(item: str) -> None:
    assert CliRunner().invoke(produce.cli, ["stock", "--item", item]).exit_code == 2


def test_who_receives_stock_hears_how_far_it_is(database: str) -> None:
    seen: list[int] = []
    report = asyncio.run(
        produce.receive_needed(Settings(postgres=database), "a run", {"mug": 3, "tea": 2}, seen.append)
    )
    assert (seen, report.quantity) == ([2], 5)


@pytest.mark.parametrize("dsn", ["garbage", "postgresql://127.0.0.1/orderflow?colour=red"])
def test_a_connection_string_that_is_none_is_told_as_such(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    monkeypatch.setenv("ORDERFLOW_POSTGRES", dsn)
    error = CliRunner().invoke(produce.cli, ["stock"]).exception
    assert isinstance(error, SetupError)
    assert "ORDERFLOW_POSTGRES" in str(error)
