"""How `orderflow simulate` starts, refuses to start, and ends."""

import json
import signal
import socket
from pathlib import Path

import httpx

from app.config import Settings
from tests.commands import run
from tests.contract.simulated import running
from tests.waiting import until

TERMS = {"customer_id": "17850", "currency": "GBP", "amount_minor": 1250}


def test_taken_port_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("simulate", "provider", settings=Settings(port=port, data=tmp_path))
    assert ended.returncode == 2
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "ORDERFLOW_PORT" in ended.stderr


def test_ledger_that_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "provider.db").write_bytes(b"no database" * 100)
    ended = run("simulate", "provider", settings=Settings(port=0, data=tmp_path))
    assert ended.returncode == 2
    assert "provider.db" in ended.stderr
    assert "ORDERFLOW_DATA" in ended.stderr


def test_stop_does_not_wait_for_unanswered_calls(tmp_path: Path) -> None:
    body = json.dumps(TERMS)
    request = f"PUT /charges/order-1/1 HTTP/1.1\r\nhost: provider\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    with running("provider", tmp_path) as party:
        party.plant("timeout")
        with socket.create_connection(("127.0.0.1", httpx.URL(party.url).port or 0)) as caller:
            caller.sendall(request.encode())
            until(lambda: party.entries("order-1"), "the charge is recorded")
            assert party.end() == -signal.SIGTERM


def test_ledger_goes_on_after_a_restart_and_faults_do_not(tmp_path: Path) -> None:
    with running("provider", tmp_path) as party:
        first = httpx.put(f"{party.url}/charges/order-1/1", json=TERMS).json()
        party.plant("unavailable")
        party.end()
        party.start()
        assert httpx.put(f"{party.url}/charges/order-1/1", json=TERMS).json() == first
