"""The whole system as `orderflow demo` runs it: what tests do to it, and ask of it, from the outside."""

import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from confluent_kafka import Message

from app.config import load
from app.domain.events import Event
from app.domain.fields import Fulfilment
from app.embedded import processes
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from tests.commands import run
from tests.e2e.receiver import Receiver
from tests.engine.log import Log
from tests.waiting import PATIENCE_S, until

STOP_S = 60.0
# a tenth of the default ones; set in the environment, others hold
DELAYS = {"ORDERFLOW_RETRY_DELAYS_MS": "200,400,800,1600,3200"}
# less than the retries of a call that nobody answers take
ORDER_DEADLINE_S = 12.0
ITEM = {"sku": "white heart", "quantity": 1, "unit_price_minor": 255}
STOCK = 10_000


class WholeSystem:
    """A demo in a directory of its own, its orders placed and checked once `wait_until_it_stays_up` returns."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.log = directory, directory / "demo.log"
        self.receiver = Receiver()
        alerts = {"ORDERFLOW_ALERT_WEBHOOK": self.receiver.url, "ORDERFLOW_ALERT_SECRET": "known to both"}
        deadline = {"ORDERFLOW_ORDER_DEADLINE": str(ORDER_DEADLINE_S)}
        environment = {**DELAYS, **deadline, **alerts, **os.environ, "PYTHONPATH": str(Path.cwd())}
        words = [sys.executable, "-m", "app.cli", "demo", "--orders", "30", "--seed", "5"]
        self.process = processes.start(words, directory=directory, log=self.log, environment=environment)
        self.settings = load(environment)
        self.http = httpx.Client(timeout=PATIENCE_S, trust_env=False)
        self._read: dict[str, list[Message]] = {}

    def wait_until_it_stays_up(self) -> None:
        until(lambda: "stays up until Ctrl-C" in self.said(), "the demo stays up")
        running = self.running()
        where = {name: running[name] for name in ("api", "provider", "carrier", "kafka", "postgres")}
        self.settings = msgspec.structs.replace(self.settings, **where)
        self.topics = Log(self.settings.kafka)
        self.ask("produce", "stock", "--item", f"{ITEM['sku']}={STOCK}")

    def running(self) -> dict[str, Any]:
        """What it says of its addresses and processes."""
        found: dict[str, Any] = msgspec.json.decode((self.directory / ".orderflow/running.json").read_bytes())
        return found

    def said(self) -> str:
        """All that it told its terminal."""
        said = self.log.read_text(errors="replace")
        assert self.process.poll() is None, f"the demo ended:\n{said}"
        return said

    def end(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            processes.end(self.process, signal.SIGINT, STOP_S)
            self.receiver.close()

    def ask(self, *words: str) -> Any:
        """What a command about this system answers in JSON; it must not fail."""
        done = run(*words, "--json", settings=self.settings)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout[-5000:]}\n{done.stderr}"
        return msgspec.json.decode(done.stdout)

    # what customers do

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return self.http.post(f"{self.settings.api}{path}", json=body, headers=headers)

    def place(
        self,
        order_id: str | None = None,
        customer_id: str = "customer-e2e",
        fulfilment: Fulfilment = "choreography",
    ) -> str:
        body = {"order_id": order_id or str(uuid4()), "customer_id": customer_id, "currency": "GBP", "items": [ITEM]}
        answer = self.post("/orders", {**body, "fulfilment": fulfilment})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_id"])

    def add_item(self, order_id: str) -> None:
        answer = self.post(f"/orders/{order_id}/items", ITEM)
        assert answer.status_code == 200, answer.text

    def cancel(self, order_id: str) -> None:
        answer = self.post(f"/orders/{order_id}/cancel")
        assert answer.status_code == 200, answer.text

    # what becomes of orders

    def order(self, order_id: str) -> dict[str, Any]:
        return self._get(f"{self.settings.api}/orders/{order_id}")

    def saga(self, order_id: str) -> dict[str, Any]:
        return self._get(f"{self.settings.api}/sagas/{order_id}")

    def wait_for(self, order_id: str, status: str) -> dict[str, Any]:
        """The order, once it has this status."""
        until(lambda: self.order(order_id)["status"] == status, f"order {order_id} is {status}")
        return self.order(order_id)

    def ledger(self, party: str, order_id: str) -> dict[int, str]:
        """The state of every entry of an order, by order version."""
        entries = self._get(f"{party}/ledger?order_id={order_id}")["entries"]
        states = {entry["order_version"]: entry["state"] for entry in entries}
        assert len(states) == len(entries), f"a key has two entries: {entries}"
        return states

    def records(self, topic: str, order_id: str) -> list[Message]:
        """Those of one order, in their order. What was read of a topic is not read again: conditions ask often."""
        known = self._read.setdefault(topic, [])
        known += self.topics.records(topic, after=known)
        return [message for message in known if message.key() == order_id.encode()]

    def events(self, topic: str, order_id: str) -> list[Event]:
        codec = event_codec(committed_registry(), topic)
        return [codec.decode(message.value()) for message in self.records(topic, order_id)]

    # what happens outside

    def plant(self, party: str, kind: str, **fault: object) -> None:
        answer = self.http.post(f"{party}/faults", json={"kind": kind, **fault})
        assert answer.status_code == 201, answer.text

    def mend(self, party: str) -> None:
        assert self.http.delete(f"{party}/faults").status_code == 204

    def _get(self, url: str) -> dict[str, Any]:
        answer = self.http.get(url)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
