"""The private names that the engine relies on are where it looks for them: red when an upgrade moves one."""

import ast
import inspect
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode import Service

import app.streaming.faust
from app.streaming.faust import private, tables, transport
from app.streaming.faust.heartbeat import NamedHeartbeat

FAUST = Path(app.streaming.faust.__file__).parent
IDLE_S = 3600.0


def resolved(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)


OURS = {
    "faust.transport.consumer:Consumer": transport.Consumer,
    "faust.tables.recovery:Recovery": tables.NoRecovery,
    "faust.tables.manager:TableManager": tables.Manager,
    "faust.stores.base:SerializedStore": tables.Store,
}


@pytest.mark.parametrize("place", private.REPLACED)
def test_what_ours_replaces_is_there_to_be_replaced(place: str) -> None:
    for name in private.REPLACED[place]:
        assert callable(getattr(resolved(place), name))
        assert getattr(OURS[place], name) is not getattr(resolved(place), name)


@pytest.mark.parametrize("place", private.CALLED)
def test_what_ours_calls_is_there(place: str) -> None:
    for name in private.CALLED[place]:
        assert getattr(OURS[place], name) is getattr(resolved(place), name)


@pytest.mark.anyio
async def test_the_membership_thread_shows_its_client_once_that_knows_the_brokers() -> None:
    assert private.is_joined(AIOKafkaConsumerThread) is False
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", group_id="any")
    try:
        assert private.is_joined(_Thread(consumer)) is False
    finally:
        await consumer.stop()


@pytest.mark.anyio
async def test_a_member_that_takes_nothing_is_not_idle_for_aiokafka(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    try:
        subscription = consumer._subscription
        subscription._last_fetch_ended = time.monotonic() - IDLE_S
        assert subscription.fetcher_idle_time >= IDLE_S
        with monkeypatch.context() as joined:
            joined.setattr(consumer, "_coordinator", object())
            private.touch_poll(SimpleNamespace(consumer=SimpleNamespace(_thread=_Thread(consumer))))
        assert subscription.fetcher_idle_time < IDLE_S
        assert "fetcher_idle_time" in inspect.getsource(GroupCoordinator._heartbeat_routine)
    finally:
        await consumer.stop()


class _Thread:
    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer


class _Coordinator:
    _group_instance_id = None

    def __init__(self, answer: bool) -> None:
        self.answer = answer

    async def _do_heartbeat(self) -> bool:
        return self.answer


class _Client:
    def __init__(self, coordinator: _Coordinator) -> None:
        self._coordinator = coordinator


@pytest.mark.anyio
async def test_heartbeats_are_watched_where_aiokafka_makes_them() -> None:
    """It calls them by this name, and keeps its coordinator under that one."""
    assert "self._do_heartbeat()" in inspect.getsource(GroupCoordinator._heartbeat_routine)
    assert "self._coordinator = GroupCoordinator(" in inspect.getsource(AIOKafkaConsumer)
    heartbeats, coordinator = private.Heartbeats(10.0, 10.0), _Coordinator(answer=True)
    assert not heartbeats.is_member()
    heartbeats.joined(_Thread(_Client(coordinator)))
    assert heartbeats.is_member()
    heartbeats.acknowledged_at = float("-inf")
    coordinator.answer = False
    await coordinator._do_heartbeat()
    assert not heartbeats.is_member()
    coordinator.answer = True
    await coordinator._do_heartbeat()
    assert heartbeats.is_member()
    heartbeats.leaving()
    await coordinator._do_heartbeat()
    assert not heartbeats.is_member()


def test_a_silence_that_the_group_does_not_wait_for_is_a_loss_whether_it_lasts_or_is_over() -> None:
    """Within a generation that is the session's timeout, in a rebalance the rebalance's."""
    heartbeats, now = private.Heartbeats(2.0, 10.0), time.monotonic()
    assert not heartbeats.is_lost(now + 100)
    heartbeats.leaving()
    assert not heartbeats.is_lost(now + 9)
    assert heartbeats.is_lost(now + 11)
    heartbeats.joined(_Thread(_Client(_Coordinator(answer=True))))
    heartbeats.acknowledged(now + 1.5)
    assert not heartbeats.is_lost(now + 3)
    assert heartbeats.is_lost(now + 4)
    assert heartbeats.losses == 0
    heartbeats.acknowledged(now + 4)
    assert heartbeats.losses == 1
    assert not heartbeats.is_lost(now + 5)


def test_the_coordinator_has_what_membership_asks_of_it() -> None:
    source = inspect.getsource(GroupCoordinator)
    for name in ("_group_instance_id", "_coordination_task", "_send_req", "member_id", "generation"):
        assert f"self.{name} = " in source or f"def {name}(" in source
    for method in ("check_errors", "request_rejoin", "reset_generation"):
        assert callable(getattr(GroupCoordinator, method))


def test_a_named_heartbeat_is_what_kafka_reads() -> None:
    """Version 3 of api 12: group, generation, member, name."""
    encoded = NamedHeartbeat("g", 7, "m", "n").prepare({12: (0, 4)}).encode()
    assert encoded == b"\0\x01g" + b"\0\0\0\x07" + b"\0\x01m" + b"\0\x01n"


@pytest.mark.anyio
async def test_services_say_that_they_stop_or_crash_where_we_look() -> None:
    service = Service()
    assert not private.is_stopped(service)
    await service.crash(RuntimeError("told"))
    with pytest.raises(RuntimeError, match="told"):
        await private.crash_of(service)
    await service.stop()
    assert private.is_stopped(service)


def test_private_names_are_touched_in_one_module_only() -> None:
    """Attributes that begin with an underscore, of anything but our own `self`, stand in `private`."""
    found = [
        f"{path.name}: {node.attr}"
        for path in FAUST.glob("*.py")
        if path.name != "private.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert found == ["process.py: _exit"]  # os._exit
