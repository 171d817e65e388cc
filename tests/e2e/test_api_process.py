"""`orderflow api` as a process: it serves, outlives the loss of its database's connections, and ends in order."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.config import Settings, dump
from app.embedded.ports import free_ports
from app.embedded.processes import end, start, wait_until_ready

COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "api"]
LIMIT = 60.0
ITEM = {"sku": "white heart", "quantity": 6, "unit_price_minor": 255}
ORDER = {"customer_id": "17850", "currency": "GBP", "items": [ITEM]}


class Api:
    """The process, and a client of it."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.log = directory / "api.log"
        environment = {**os.environ, **dump(settings)}
        self.process = start(COMMAND, directory=Path.cwd(), log=self.log, environment=environment)
        self.http = httpx.Client(base_url=f"http://{settings.host}:{settings.port}", timeout=LIMIT, trust_env=False)

    def missing(self) -> str:
        try:
            answer = self.http.get("/readyz")
        except httpx.TransportError as error:
            return str(error)
        return "" if answer.status_code == 200 else answer.text


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[Api]:
    settings = Settings(postgres=database, kafka="127.0.0.1:1", port=free_ports(0)[0], log_level="warning")
    api = Api(settings, tmp_path)
    wait_until_ready(api.process, api.missing, api.log, LIMIT)
    yield api
    api.http.close()
    if api.process.poll() is None:
        end(api.process, signal.SIGKILL, LIMIT)


def test_an_order_outlives_the_process_that_took_it(api: Api, database: str) -> None:
    key = {"Idempotency-Key": "invoice-1"}
    created = api.http.post("/orders", json=ORDER, headers=key)
    assert created.status_code == 201
    end(api.process, signal.SIGKILL, LIMIT)
    with psycopg.connect(database) as connection:
        stored = connection.execute("select order_id::text, version from events").fetchall()
    assert stored == [(created.json()["order_id"], 1)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_in_order_when_told_to(api: Api, number: signal.Signals) -> None:
    assert api.http.post("/orders", json=ORDER).status_code == 201
    end(api.process, number, LIMIT)
    assert api.process.returncode == 0
    assert "Traceback" not in api.log.read_text()


def test_lost_connections_to_the_database_are_made_again(api: Api, database: str) -> None:
    address = api.http.post("/orders", json=ORDER).headers["location"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert api.http.get(address).json()["version"] == 1
    assert api.http.post(f"{address}/items", json=ITEM, headers={"If-Match": '"1"'}).json()["version"] == 2


def test_views_without_workers_are_not_active_and_orders_go_on(api: Api) -> None:
    answer = api.http.get("/views/products/white%20heart/demand")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "NOT_ACTIVE", "1")
    assert api.http.post("/orders", json=ORDER).status_code == 201


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, **dump(Settings(port=port))}
        ended = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert ended.returncode == 2
    assert f"127.0.0.1:{port}" in ended.stderr
