"""`orderflow api` as a process: it serves, outlives the loss of its database's connections, and ends in order."""

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from app.config import Settings
from app.embedded.ports import free_ports
from tests.commands import Serving, run
from tests.waiting import until

ITEM = {"sku": "white heart", "quantity": 6, "unit_price_minor": 255}
ORDER = {"customer_id": "17850", "currency": "GBP", "items": [ITEM]}
SLOW_APPENDS = """
create function sleeps() returns trigger language plpgsql as $$ begin perform pg_sleep(3); return null; end $$;
create trigger sleeps after insert on events execute function sleeps()
"""


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[Serving]:
    settings = Settings(postgres=database, kafka="127.0.0.1:1", port=free_ports(0)[0], log_level="warning")
    api = Serving("api", settings=settings, log=tmp_path / "api.log")
    api.start()
    api.wait_until_ready()
    yield api
    api.close()


def test_an_order_outlives_the_process_that_took_it(api: Serving, database: str) -> None:
    key = {"Idempotency-Key": "invoice-1"}
    created = api.http.post("/orders", json=ORDER, headers=key)
    assert created.status_code == 201
    api.end(signal.SIGKILL)
    with psycopg.connect(database) as connection:
        stored = connection.execute("select order_id::text, version from events").fetchall()
    assert stored == [(created.json()["order_id"], 1)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_in_order_when_told_to(api: Serving, number: signal.Signals) -> None:
    assert api.http.post("/orders", json=ORDER).status_code == 201
    assert api.end(number) == 0
    assert "Traceback" not in api.log.read_text()


def test_commands_under_way_are_answered_before_the_process_ends(api: Serving, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(SLOW_APPENDS)
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(api.http.post, "/orders", json=ORDER)
        until(lambda: appending(database) == 1)
        second = clients.submit(api.http.post, "/orders", json=ORDER)
        until(lambda: appending(database) == 2)
        api.running().send_signal(signal.SIGTERM)
        assert (first.result().status_code, second.result().status_code) == (201, 201)
    assert api.end() == 0
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from events").fetchone() == (2,)


def appending(database: str) -> int:
    """How many appends are under way."""
    with psycopg.connect(database) as connection:
        asked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
        (count,) = connection.execute(asked).fetchone() or (0,)
        return int(count)


def test_lost_connections_to_the_database_are_made_again(api: Serving, database: str) -> None:
    address = api.http.post("/orders", json=ORDER).headers["location"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert api.http.get(address).json()["version"] == 1
    assert api.http.post(f"{address}/items", json=ITEM, headers={"If-Match": '"1"'}).json()["version"] == 2


def test_views_without_workers_are_not_active_and_orders_go_on(api: Serving) -> None:
    answer = api.http.get("/views/products/white%20heart/demand")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "NOT_ACTIVE", "1")
    assert api.http.post("/orders", json=ORDER).status_code == 201


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("api", settings=Settings(port=port))
    assert ended.returncode == 2
    assert f"127.0.0.1:{port}" in ended.stderr
