"""A worker that is stopped before its call to the provider, replaced, and continued after the cancel: no charge."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.topics import declared
from app.config import Settings, dump
from app.domain.events import OrderCancelled, OrderCreated
from app.embedded import processes
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import PAYMENTS_EVENTS
from app.streaming.kafka import topics
from tests.contract.simulated import SimulatedParty, running
from tests.engine.log import Log
from tests.topology.system import emitted
from tests.unit.order_events import ORDER_ID, event
from tests.waiting import PATIENCE_S, until


@pytest.fixture
def party(tmp_path: Path) -> Iterator[SimulatedParty]:
    with running("provider", tmp_path) as party:
        yield party


@pytest.fixture
def settings(tmp_path: Path, party: SimulatedParty) -> Iterator[Settings]:
    """Of a broker of its own, whose topics are there."""
    server = KafkaServer(tmp_path / "kafka")
    try:
        server.start()
        # a call has no limit that a stop could use up: it is made, however late
        settings = Settings(
            kafka=server.bootstrap, provider=party.url, partitions=1, session_timeout=3.0, gateway_timeout=PATIENCE_S
        )
        topics.apply(settings.kafka, declared(settings), settings.partitions, settings.replication)
        yield settings
    finally:
        server.stop()


class Workers:
    """Processes that end with the test, stopped ones too."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory, self._settings = directory, settings
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        own = {"ORDERFLOW_NAME": name, "ORDERFLOW_DATA": str(self._directory / name)}
        own["ORDERFLOW_PORT"] = str(free_ports(0)[0])
        environment = {**os.environ, **dump(self._settings), **own}
        log = self._directory / f"{name}.log"
        started = processes.start(
            [sys.executable, "-m", *words], directory=Path.cwd(), log=log, environment=environment
        )
        self._started.append(started)
        return started

    def said(self, name: str) -> str:
        return (self._directory / f"{name}.log").read_text(errors="replace")

    def end(self) -> None:
        for process in self._started:
            processes.end(process, signal.SIGKILL, PATIENCE_S)


@pytest.fixture
def workers(tmp_path: Path, settings: Settings) -> Iterator[Workers]:
    workers = Workers(tmp_path, settings)
    yield workers
    workers.end()


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_call_that_comes_after_the_cancel_charges_nothing(
    workers: Workers, settings: Settings, party: SimulatedParty
) -> None:
    log, codec = Log(settings.kafka), event_codec(committed_registry(), PAYMENTS_EVENTS)

    def publish(*events: OrderCreated | OrderCancelled) -> None:
        for output in map(emitted, events):
            log.producer.produce(output.topic, output.value, output.key, headers=list(output.headers))
        assert log.producer.flush(PATIENCE_S) == 0

    def told() -> list[str]:
        return [type(codec.decode(message.value())).__name__ for message in log.records(PAYMENTS_EVENTS, 1)]

    publish(event(OrderCreated, 1))
    stopped = workers.start("stopped", "tests.integration.stopping_worker", ORDER_ID)
    until(lambda: is_stopped(stopped), "the worker is about to charge the order")
    assert party.entries() == []
    publish(event(OrderCancelled, 2))
    workers.start("second", "app.cli", "worker", "payments")
    until(lambda: told() == ["PaymentCompleted", "PaymentRefunded"], "the second one charges and refunds")

    stopped.send_signal(signal.SIGCONT)
    until(lambda: "answered" in workers.said("stopped"), "the first one makes its call")
    assert "answered Voided" in workers.said("stopped")
    until(lambda: "task.dropped" in workers.said("stopped"), "the first one has lost its task")
    assert [entry["state"] for entry in party.entries(ORDER_ID)] == ["refunded"]
    assert told() == ["PaymentCompleted", "PaymentRefunded"]
